import os
import signal
import threading
import time

import pytest

from devise_lib.spark.job.graceful_stop import StopSignal, repeat


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting_and_a_second_one_does_what_it_did_before(number):
    caught = []
    before = signal.signal(number, lambda *_: caught.append(number))
    try:
        with StopSignal() as stop_signal:
            assert not stop_signal.wait(0.01)
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
            started = time.monotonic()
            assert stop_signal.wait(60)
            assert time.monotonic() - started < 30
            assert (stop_signal.requested, caught) == (True, [])
            os.kill(os.getpid(), number)
            assert caught == [number]
        os.kill(os.getpid(), number)
        assert caught == [number, number]
    finally:
        signal.signal(number, before)


def test_in_another_thread_it_can_be_stopped_without_signals():
    before = signal.getsignal(signal.SIGTERM)
    stop_signal = StopSignal()
    seen = []

    def work():
        with stop_signal:
            seen.append(signal.getsignal(signal.SIGTERM))
            seen.append(stop_signal.wait(60))

    thread = threading.Thread(target=work)
    thread.start()
    stop_signal.request()
    thread.join(30)
    assert seen == [before, True]


def test_a_step_is_repeated_until_it_is_to_stop_and_its_counts_are_summed(capsys):
    stop_signal = StopSignal()
    results = iter([{"photos": 2, "unchanged": 5}, {"photos": 0, "unchanged": 7}, {"photos": 1}])

    def step():
        counts = next(results)
        if counts == {"photos": 1}:
            stop_signal.request()
        return counts

    assert repeat(step, stop_signal, 0.001, "some_job") == {"photos": 3}
    assert capsys.readouterr().out == "some_job  2 photos\nsome_job  1 photos\n"
