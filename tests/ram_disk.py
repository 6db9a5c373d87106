"""The tests' files in memory, where the machine has room: no small commit waits for a disk.

Tests make thousands of small files: tables' logs, checkpoints, MLflow's databases. A new database
of MLflow takes 5 s on a disk and 1 s in memory, and the same CPU time in both.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
PREFIX = "devise-tests-"
FREE_BYTES = 6 << 30  # that the tests and what they start leave of the machine's memory


def use() -> Path | None:
    """Have temporary files made in memory; the folder, or None where they stay on the disk.

    Only the process that starts the tests makes a folder; those that it starts are told of it by
    their environment.
    """
    if "PYTEST_XDIST_WORKER" in os.environ or "TMPDIR" in os.environ or not _has_room():
        return None
    for left in MEMORY.glob(f"{PREFIX}*"):  # of tests that were killed
        if _lock(left) is not None:
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY))
    if _lock(folder) is None:  # until this process ends, however it ends
        return None  # other tests, which begin at this moment, took it for one of these
    os.environ |= {"TMPDIR": str(folder), "SPARK_LOCAL_DIRS": str(folder / "spark")}
    tempfile.tempdir = None  # pytest may have asked for it before
    return folder


def _lock(folder: Path) -> int | None:
    """Hold the folder's lock; None where another process holds it, or the folder is not ours."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _has_room() -> bool:
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < 2 * FREE_BYTES:
        return False
    from devise_lib.spark.platform.resources import memory_available_bytes

    return memory_available_bytes() > 2 * FREE_BYTES
