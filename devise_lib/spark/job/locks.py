"""One run at a time: a lock of the kernel in a local work folder, a lease in one on a store.

The kernel releases its lock when the process ends, however it ends. A lease of a killed process is
stale after STALE_S seconds, and is taken over.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from devise_lib.command_line import EXIT_FAILED
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.paths import is_remote
from devise_lib.storage.faults import NoConditionError
from devise_lib.storage.leases import STALE_S, Holder, LeaseHeldError, hold_lease
from devise_lib.storage.stores import store_files

# Errors of file systems that cannot lock, or cannot write to the lock file: some mounts of object
# stores, and NFS without its lock service.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM)


@contextmanager
def only_run(work_dir: str, what: str) -> Iterator[None]:
    """Hold the lock of a job, or of a part of one, in a work folder while the body runs.

    On a file system without locks, and on a store without conditional writes, the body runs all the
    same, after a warning. Some mounts of object stores have locks of one machine
    only. There two runs on two machines are not kept apart. A process that loses its lease, because
    it was suspended for longer than STALE_S, ends at once as if it was killed.

    Args:
        work_dir: the work folder; its folder `checkpoints` holds the lock file or the lease.
        what: the job, or a part that may run beside others; the lock file's name without suffix.

    Raises:
        InputError: another process holds the lock; the message has its host, process and start.
    """
    with ExitStack() as stack:
        hold = _hold_lease if is_remote(work_dir) else _hold_lock
        hold(stack, work_dir, what)
        yield


def _hold_lock(stack: ExitStack, work_dir: str, what: str) -> None:
    path = Path(work_dir) / "checkpoints" / f"{what}.lock"
    # The file is never deleted. Otherwise a process that has the old file open, and one that
    # created it again, would both hold a lock. A soft lock would outlive a killed process.
    lock = FileLock(path, blocking=False, fallback_to_soft=False, preserve_lock_file=True)
    try:
        stack.enter_context(lock)
        path.write_text(str(Holder.here()), encoding="utf-8")
    except Timeout:
        raise _is_running(what, path.read_text(encoding="utf-8").strip()) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        _warn(what, f"{path.parent} is on a file system without locks ({error})")


def _hold_lease(stack: ExitStack, work_dir: str, what: str) -> None:
    def end(message: str) -> None:
        print_line(f"{message}; this process ends")
        os._exit(EXIT_FAILED)

    def wait(holder: str) -> None:
        print_line(f"{what}  waits up to {STALE_S:g} s for a sign of the run {holder}")

    folder, files = f"{work_dir}/checkpoints", store_files().remote(work_dir)
    try:
        stack.enter_context(hold_lease(files, folder, what, end, wait))
    except LeaseHeldError as error:
        raise _is_running(what, error.holder) from None
    except NoConditionError as error:
        _warn(what, str(error))


class IsRunningError(InputError):
    """Another process holds the lock."""


def _is_running(what: str, holder: str) -> IsRunningError:
    return IsRunningError(
        f"{what} is running in this work folder already ({holder}): wait for its end or stop it, "
        "or take another work_dir"
    )


def _warn(what: str, why: str) -> None:
    # Standard error is the log.
    print_line(f"{what}: {why}: make sure that no other run uses this work folder")


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
        except IsRunningError:
            held = False
        yield held
