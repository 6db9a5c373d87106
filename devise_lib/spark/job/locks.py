"""One run at a time: a lock that the kernel frees when its process ends, however it ends."""

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from devise_lib.errors import InputError

# Of file systems without locks, or without appending, which the lock file wants: some mounts of
# object stores, NFS without its lock service.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM)


@contextmanager
def only_run(work_dir: str, what: str) -> Iterator[None]:
    """Hold the lock of `what` in a work folder for as long as the body runs.

    On a file system without locks the body runs all the same, after a warning on standard error.
    On one whose locks are of one machine only (some mounts of object stores), it keeps apart what
    runs on the same machine.

    Args:
        work_dir: the work folder; the lock file lies in its folder `checkpoints`.
        what: a job, or a part of one that may run beside others: a file name without a suffix.

    Raises:
        InputError: another process holds it; names its host, process and start.
    """
    path = Path(work_dir) / "checkpoints" / f"{what}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            # Never deleted: one process that has it open, and one that made it anew, would both
            # hold a lock.
            file = stack.enter_context(path.open("a+", encoding="utf-8"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(
                f"{what} is running in this work folder already ({file.read().strip()}): wait for "
                "its end or stop it, or take another work_dir"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            print(  # noqa: T201
                f"{what}: {path.parent} is on a file system without locks ({error}): see to it "
                "yourself that no other run works in this work folder",
                file=sys.stderr,
            )
        else:
            file.truncate(0)
            started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            file.write(f"on {socket.gethostname()}, process {os.getpid()}, since {started}")
            file.flush()
        yield  # closing the file frees the lock


def only_export(work_dir: str, model_id: str) -> AbstractContextManager[None]:
    """Hold the lock of the folder that a model is exported into.

    Two jobs write there. One replaces the folder, and with it all that the other has open in it.

    Raises:
        InputError: another process holds it.
    """
    return only_run(work_dir, f"export-{model_id}")


@contextmanager
def unless_running(work_dir: str, what: str) -> Iterator[bool]:
    """Hold the lock of `what` where no other process does; whether that is so."""
    with ExitStack() as stack:
        held = True
        try:
            stack.enter_context(only_run(work_dir, what))
        except InputError:
            held = False
        yield held
