"""One run at a time: a lock that the kernel releases when its process ends, however it ends."""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from devise_lib.errors import InputError

# Errors of file systems that cannot lock, or cannot write to the lock file: some mounts of object
# stores, and NFS without its lock service.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM)


@contextmanager
def only_run(work_dir: str, what: str) -> Iterator[None]:
    """Hold the lock of a job, or of a part of one, in a work folder while the body runs.

    On a file system without locks the body runs all the same, after a warning on standard error.
    Some mounts of object stores have locks of one machine only. There two runs on two machines are
    not kept apart.

    Args:
        work_dir: the work folder; its folder `checkpoints` holds the lock file.
        what: the job, or a part that may run beside others; the lock file's name without suffix.

    Raises:
        InputError: another process holds the lock; the message has its host, process and start.
    """
    path = Path(work_dir) / "checkpoints" / f"{what}.lock"
    # The file is never deleted. Otherwise a process that has the old file open, and one that
    # created it again, would both hold a lock. A soft lock would outlive a killed process.
    lock = FileLock(path, blocking=False, fallback_to_soft=False, preserve_lock_file=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock)
            started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            holder = f"on {socket.gethostname()}, process {os.getpid()}, since {started}"
            path.write_text(holder, encoding="utf-8")
        except Timeout:
            raise InputError(
                f"{what} is running in this work folder already "
                f"({path.read_text(encoding='utf-8').strip()}): wait for its end or stop it, or "
                "take another work_dir"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            print(  # noqa: T201
                f"{what}: {path.parent} is on a file system without locks ({error}): make sure "
                "that no other run uses this work folder",
                file=sys.stderr,
            )
        yield


def only_export(work_dir: str, model_id: str) -> AbstractContextManager[None]:
    """Hold the lock of the folder that a model is exported to.

    Two jobs write there, export_model and export_projector. One of them replaces the whole folder,
    with every file that the other has open.

    Raises:
        InputError: another process holds the lock.
    """
    return only_run(work_dir, f"export-{model_id}")


@contextmanager
def unless_running(work_dir: str, what: str) -> Iterator[bool]:
    """Hold the lock if no other process does, and give whether it is held.

    Args:
        work_dir: the work folder.
        what: the job, or a part of one, that the lock is named after.
    """
    with ExitStack() as stack:
        held = True
        try:
            stack.enter_context(only_run(work_dir, what))
        except InputError:
            held = False
        yield held
