"""How much memory this process takes, and took at most."""

import os
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")  # Linux: "5" starts the peak anew
KIB = 1024


def start_peak() -> None:
    """Lets `peak_bytes` count from now on, where the system can (Linux)."""
    if RESET.exists():
        try:
            RESET.write_text("5")
        except OSError:  # a container that forbids it: the peak is that of the whole process
            return


def peak_bytes() -> int:
    """Returns the most memory that this process has taken, mapped files included.

    It counts from `start_peak`, or from the start of the process where that has no effect.
    """
    if STATUS.exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def mapped_bytes() -> int:
    """Returns the bytes of mapped files that are in memory; 0 where the system does not say.

    Those of a memory disk (tmpfs) count as shared memory.
    """
    return _status("RssFile") + _status("RssShmem") if STATUS.exists() else 0


def threads_here() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _status(name: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * KIB
    return 0
