"""What this machine lets a process take, which in a container is less than it reports."""

import os
import resource
from pathlib import Path

from devise_lib.errors import InputError

GIB = 1024**3
DRIVER_SHARE = 0.25  # the rest is for Python workers, Horovod's ranks and the page cache
DRIVER_MIN_BYTES = 1 * GIB
DRIVER_MAX_BYTES = 8 * GIB
WORKER_BYTES = 1 * GIB  # a Python worker with TensorFlow and one batch of photos


def memory_available_bytes() -> int:
    """Bytes that can still be taken: the least of the kernel's, the cgroup's and the process's."""
    limits = [_proc_available(Path("/proc/meminfo"))]
    limits += _cgroup_available(Path("/sys/fs/cgroup"))
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    return min(limits)


def driver_memory_bytes(available_bytes: int, cores: int, wanted: str = "") -> int:
    """Memory for Spark's driver on this machine.

    Args:
        available_bytes: what can still be taken.
        cores: tasks that run at once, each with a Python worker beside the driver.
        wanted: the user's own setting as Spark writes it ("2g"); "" to choose.

    Raises:
        InputError: the machine cannot hold the driver and its Python workers.
    """
    chosen = max(DRIVER_MIN_BYTES, min(DRIVER_MAX_BYTES, int(available_bytes * DRIVER_SHARE)))
    driver = parse_memory(wanted) if wanted else chosen
    needed = driver + cores * WORKER_BYTES
    if needed > available_bytes:
        raise InputError(
            f"too little memory: {available_bytes / GIB:.1f} GiB are free, and a local run wants "
            f"{needed / GIB:.1f} GiB ({driver / GIB:.1f} for Spark's driver, "
            f"{WORKER_BYTES / GIB:.1f} for each of {cores} Python workers); free some, or use "
            "fewer cores (--set spark.master='local[1]') or less for the driver "
            "(--set spark.driver.memory=1g)"
        )
    return driver


def parse_memory(text: str) -> int:
    """Bytes of a size as Spark writes it: 512m, 2g, or plain bytes.

    Raises:
        InputError: `text` is not such a size.
    """
    units = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    number, unit = text.strip().lower().removesuffix("b"), 1
    if number and number[-1] in units:
        number, unit = number[:-1], units[number[-1]]
    if not number.isdigit():
        raise InputError(f"spark.driver.memory is {text!r}, want a size such as 512m or 2g")
    return int(number) * unit


def _proc_available(meminfo: Path) -> int:
    for line in meminfo.read_text().splitlines() if meminfo.exists() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup_available(root: Path) -> list[int]:
    """Limit less use, for version 2 and version 1 of cgroups; nothing where there is no limit."""
    pairs = [("memory.max", "memory.current")]
    pairs.append(("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
    found = []
    for limit_name, used_name in pairs:
        limit, used = root / limit_name, root / used_name
        if limit.exists() and used.exists() and limit.read_text().strip().isdigit():
            used_bytes = int(used.read_text()) - _reclaimable(used.parent / "memory.stat")
            found.append(int(limit.read_text()) - used_bytes)
    return [value for value in found if value < 2**60]  # version 1 writes "no limit" as 2**63


def _reclaimable(stat: Path) -> int:
    """Bytes of page cache that the kernel gives back when asked; a cgroup counts them as used."""
    for line in stat.read_text().splitlines() if stat.exists() else ():
        name, value = line.split()
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0
