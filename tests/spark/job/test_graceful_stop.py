import os
import signal
import threading
import time

import pytest

from devise_lib.spark.job.graceful_stop import Stopper, repeat


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting_and_a_second_one_does_what_it_did_before(number):
    caught = []
    before = signal.signal(number, lambda *_: caught.append(number))
    try:
        with Stopper() as stopper:
            assert not stopper.wait(0.01)
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
            started = time.monotonic()
            assert stopper.wait(60)
            assert time.monotonic() - started < 30
            assert (stopper.stopped, caught) == (True, [])
            os.kill(os.getpid(), number)
            assert caught == [number]
        os.kill(os.getpid(), number)
        assert caught == [number, number]
    finally:
        signal.signal(number, before)


def test_in_another_thread_it_can_be_stopped_without_signals():
    before = signal.getsignal(signal.SIGTERM)
    stopper = Stopper()
    seen = []

    def work():
        with stopper:
            seen.append(signal.getsignal(signal.SIGTERM))
            seen.append(stopper.wait(60))

    thread = threading.Thread(target=work)
    thread.start()
    stopper.stop()
    thread.join(30)
    assert seen == [before, True]


def test_a_step_is_repeated_until_it_is_to_stop_and_its_counts_are_summed(capsys):
    stopper = Stopper()
    results = iter([{"photos": 2, "unchanged": 5}, {"photos": 0, "unchanged": 7}, {"photos": 1}])

    def step():
        counts = next(results)
        if counts == {"photos": 1}:
            stopper.stop()
        return counts

    assert repeat(step, stopper, 0.001, "some_job") == {"photos": 3}
    assert capsys.readouterr().out == "some_job  2 photos\nsome_job  1 photos\n"
