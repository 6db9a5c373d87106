import os
import signal
import subprocess
import sys
import threading
import time
from itertools import count

import pytest

from devise_lib.storage.faults import NoConditionError, StoreError
from devise_lib.storage.leases import LeaseHeldError, Times, hold_lease
from devise_lib.storage.remote import RemoteFiles
from tests.flaky_server import FlakyServer

QUICK = Times(beat_s=0.2, stale_s=1.5)
HOLD = """
import sys, time
from devise_lib.storage.leases import Times, hold_lease
from devise_lib.storage.remote import RemoteFiles
bucket, endpoint, on_loss = sys.argv[1], sys.argv[2], lambda said: print("LOST", said, flush=True)
files = RemoteFiles("s3a", bucket, {
    "fs.s3a.endpoint": endpoint, "fs.s3a.path.style.access": "true",
    "fs.s3a.access.key": "key-of-tests", "fs.s3a.secret.key": "secret-of-tests",
})
with hold_lease(files, f"s3a://{bucket}/locks", "job", on_loss, times=Times(0.2, 1.5)):
    print("HELD", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(bucket) -> str:
    return f"s3a://{bucket}/locks"


@pytest.fixture
def holder(bucket, s3_server):
    """Another process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, bucket, s3_server], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "HELD\n"
    yield process
    process.kill()
    process.communicate()


def lost(said: str) -> None:
    raise AssertionError(said)


def test_a_lease_that_is_released_can_be_taken_at_once_and_leaves_its_mark(store, folder):
    slow = Times(beat_s=0.2, stale_s=60.0)
    started = time.monotonic()
    for _ in range(2):
        with hold_lease(store, folder, "job", lost, times=slow):
            time.sleep(0.5)  # some beats
    assert time.monotonic() - started < slow.stale_s  # it did not wait for a beat
    [mark] = store.children(folder)
    assert (mark.name, store.read(mark.path)) == ("job.0002.lease", b"released")


def test_another_process_is_refused_and_told_who_holds_it(store, folder, holder):
    with (
        pytest.raises(LeaseHeldError, match=rf"process {holder.pid}, since 2"),
        hold_lease(store, folder, "job", lost, times=QUICK),
    ):
        pass
    with hold_lease(store, folder, "job-2", lost, times=QUICK):  # one of another name is free
        pass


def test_a_killed_holder_loses_its_lease_after_a_while(store, folder, holder):
    holder.kill()
    started, waited = time.monotonic(), []
    with hold_lease(store, folder, "job", lost, waited.append, QUICK):
        assert [f"process {holder.pid}," in said for said in waited] == [True]
        assert time.monotonic() - started > 1.0
        names = [status.name for status in store.children(folder)]
        assert sum(name.endswith(".lease") for name in names) == 1
        assert sum(name.endswith(".beat") for name in names) == 1


def test_a_suspended_holder_learns_that_it_has_lost_its_lease(store, folder, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    with hold_lease(store, folder, "job", lost, times=QUICK):
        os.kill(holder.pid, signal.SIGCONT)
        said = holder.stdout.readline()
        assert said.startswith(f"LOST job: another process took over, on {os.uname().nodename}")
        assert str(os.getpid()) in said
        time.sleep(0.5)  # and the new holder keeps it


def test_of_many_askers_one_takes_a_stale_lease(store, folder, holder):
    holder.kill()
    inside, most, refused = 0, 0, 0
    lock = threading.Lock()

    def ask():
        nonlocal inside, most, refused
        try:
            with hold_lease(store, folder, "job", lost, times=QUICK):
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(2.5)
                with lock:
                    inside -= 1
        except LeaseHeldError:
            with lock:
                refused += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, refused) == (1, 3)


def test_a_store_that_overwrites_is_refused(store, folder, monkeypatch):
    def overwrite(path, content):
        store.write(path, content)
        return True

    monkeypatch.setattr(store, "create", overwrite)
    with (
        pytest.raises(NoConditionError, match="should only create"),
        hold_lease(store, folder, "job", lost, times=QUICK),
    ):
        pass
    with pytest.raises(FileNotFoundError):
        store.children(folder)


def test_askers_that_come_again_and_again_hold_a_lease_one_after_the_other(store, folder):
    """The kind of fault: numbers that begin anew after a release, so that two hold one lease."""
    inside, most, held = 0, 0, 0
    lock = threading.Lock()

    def ask():
        nonlocal inside, most, held
        mine = 0
        while mine < 3:
            try:
                with hold_lease(store, folder, "job", lost, times=Times(beat_s=0.1, stale_s=20.0)):
                    with lock:
                        inside, most = inside + 1, max(most, inside + 1)
                    time.sleep(0.25)
                    with lock:
                        inside, held = inside - 1, held + 1
                    mine += 1
            except LeaseHeldError:
                time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, held, inside) == (1, 9, 0)


def test_an_asker_that_is_suspended_takes_no_lease_that_beats(store, folder, holder, monkeypatch):
    """What it read before its pause says nothing about the time of the pause."""
    read, reads = store.read, count()

    def read_and_pause(path):
        content = read(path)
        if path.endswith(".beat") and next(reads) == 1:  # the first look after the one to compare
            time.sleep(QUICK.stale_s + 0.5)
        return content

    monkeypatch.setattr(store, "read", read_and_pause)
    with pytest.raises(LeaseHeldError), hold_lease(store, folder, "job", lost, times=QUICK):
        pass
    assert holder.poll() is None


def test_a_holder_that_cannot_beat_for_long_has_lost_its_lease(store, folder, monkeypatch):
    """It may be cut off alone, and another process may have taken over."""
    told = threading.Event()
    with hold_lease(store, folder, "job", lambda said: told.set(), times=QUICK):  # noqa: ARG005

        def fail(*_):
            raise StoreError("the store does not answer", "outage")

        monkeypatch.setattr(store, "write", fail)
        assert told.wait(30)


def test_a_lease_of_another_form_is_that_of_an_unknown_holder(store, folder):
    store.write(f"{folder}/job.0007.lease", b"{}")
    with hold_lease(store, folder, "job", lost, times=QUICK):
        assert "job.0008.lease" in [status.name for status in store.children(folder)]


@pytest.mark.parametrize(
    ("status", "code", "created"),
    [(412, "PreconditionFailed", False), (409, "ConditionalRequestConflict", True)],
)
def test_a_refused_condition_is_understood_however_a_store_puts_it(
    s3_server, s3_settings, bucket, status, code, created
):
    flaky = FlakyServer(s3_server)
    try:
        files = RemoteFiles("s3a", bucket, {**s3_settings, "fs.s3a.endpoint": flaky.url})
        with flaky.failing(times=1, status=status, code=code):
            assert files.create(f"s3a://{bucket}/x", b"1") is created
        with (
            flaky.failing(status=501, code="NotImplemented"),
            pytest.raises(NoConditionError, match="knows no conditions"),
        ):
            files.create(f"s3a://{bucket}/y", b"1")
    finally:
        flaky.refuse()
