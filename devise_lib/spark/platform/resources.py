"""Memory and cores that this machine allows a process; in a container less than it reports."""

import math
import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from devise_lib.errors import InputError

GIB = 1024**3
DRIVER_SHARE = 0.25  # Python workers, Horovod's ranks and the page cache need the rest.
DRIVER_MIN_BYTES = 1 * GIB
DRIVER_MAX_BYTES = 8 * GIB
WORKER_BYTES = 1 * GIB  # a Python worker with TensorFlow and one batch of photos

MASTER = re.compile(r"local(?:\[\s*(?P<cores>\*|[1-9]\d*)\s*(?P<failures>,\s*[1-9]\d*\s*)?\])?")
CLUSTER = re.compile(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")


def memory_available_bytes() -> int:
    """Return the bytes that this process can still take.

    It is the least of what the kernel, the control groups and the process's own limit allow.
    """
    limits = [_proc_available(Path("/proc/meminfo"))]
    limits += _cgroup_available(Path("/sys/fs/cgroup"), _read(Path("/proc/self/cgroup")))
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    return min(limits)


def cores_available() -> int:
    """Return the cores that this process may use, as Java counts: by affinity and group quotas."""
    quotas = _cgroup_quotas(Path("/sys/fs/cgroup"), _read(Path("/proc/self/cgroup")))
    return max(1, min([len(os.sched_getaffinity(0)), *map(math.ceil, quotas)]))


@dataclass(frozen=True)
class LocalRun:
    """How a local session runs on this machine.

    Attributes:
        master: Spark's master, with as many cores as there is memory for.
        driver_bytes: memory of Spark's driver.
        message: tells the user if these are fewer cores than the machine has; else "".
    """

    master: str
    driver_bytes: int
    message: str = ""


def fit_local(master: str, available_bytes: int, cores: int, wanted: str = "") -> LocalRun:
    """Choose the cores and the driver's memory of a local session.

    A master that asks for all cores (`local[*]`) gets as many as there is memory for.

    Args:
        master: local, local[N], local[*], either with a number of failures (local[N,F]), or
            local-cluster[WORKERS,CORES,MEBIBYTES].
        available_bytes: memory that can still be taken.
        cores: of this machine.
        wanted: the user's setting of the driver's memory in Spark's form ("2g"); "": a quarter of
            what is free, from 1 to 8 GiB.

    Raises:
        InputError: the master has none of these forms, or the machine cannot hold the driver and
            its Python workers.
    """
    chosen = max(DRIVER_MIN_BYTES, min(DRIVER_MAX_BYTES, int(available_bytes * DRIVER_SHARE)))
    driver = parse_memory(wanted) if wanted else chosen
    room = (available_bytes - driver) // WORKER_BYTES
    if cluster := CLUSTER.fullmatch(master):
        workers, each, mebibytes = map(int, cluster.groups())
        _require_room(driver + workers * mebibytes * 2**20, workers * each, available_bytes)
        return LocalRun(master, driver)
    found = MASTER.fullmatch(master)
    if found is None:
        raise InputError(
            f"spark.master is {master!r}, want local[N] for N cores, local[*] for all, either with "
            "a number of failures as in local[4,2], local-cluster[2,1,1024] or a cluster's address"
        )
    if found["cores"] == "*" and 0 < room < cores:
        message = (
            f"{room} of {cores} cores are used: {available_bytes / GIB:.1f} GiB of memory are "
            f"free, Spark's driver gets {driver / GIB:.1f} GiB, and each core needs "
            f"{WORKER_BYTES / GIB:.1f} GiB for its Python worker"
        )
        return LocalRun(f"local[{room}{found['failures'] or ''}]", driver, message)
    least = 1 if found["cores"] in ("*", None) else int(found["cores"])
    _require_room(driver, least, available_bytes)
    return LocalRun(master, driver)


def _require_room(jvm_bytes: int, workers: int, available_bytes: int) -> None:
    needed = jvm_bytes + workers * WORKER_BYTES
    if needed > available_bytes:
        raise InputError(
            f"too little memory: {available_bytes / GIB:.1f} GiB are free, and a local run needs "
            f"{needed / GIB:.1f} GiB ({jvm_bytes / GIB:.1f} for Spark's driver and executors, "
            f"{WORKER_BYTES / GIB:.1f} for each of {workers} Python workers); free some, or use "
            "fewer cores (--set spark.master='local[1]') or less for the driver "
            "(--set spark.driver.memory=1g)"
        )


def parse_memory(text: str) -> int:
    """Return the bytes of a size in Spark's form: 512m, 2g, or plain bytes.

    Raises:
        InputError: `text` is no such size.
    """
    units = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    number, unit = text.strip().lower().removesuffix("b"), 1
    if number and number[-1] in units:
        number, unit = number[:-1], units[number[-1]]
    if not number.isdigit():
        raise InputError(f"spark.driver.memory is {text!r}, want a size such as 512m or 2g")
    return int(number) * unit


def _proc_available(meminfo: Path) -> int:
    for line in _read(meminfo).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup_available(root: Path, membership: str = "") -> list[int]:
    """Return limit less usage of each group that holds this process; empty without a limit."""
    found = []
    for folder in _own_groups(root, membership, "memory"):
        for limit_name, used_name in (
            ("memory.max", "memory.current"),  # version 2 of cgroups
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, used = _read(folder / limit_name).strip(), _read(folder / used_name)
            if limit.isdigit() and used:
                found.append(int(limit) - (int(used) - _reclaimable(folder / "memory.stat")))
    return [value for value in found if value < 2**60]  # version 1 writes "no limit" as 2**63


def _cgroup_quotas(root: Path, membership: str = "") -> list[float]:
    """Return the cores that each group of this process may use; empty without a limit."""
    found = []
    for folder in _own_groups(root, membership, "cpu"):
        whole = _read(folder / "cpu.max").split()  # version 2 of cgroups: "max 100000"
        parts = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        quota, period = whole if len(whole) == 2 else parts
        if quota.isdigit() and period.isdigit():  # version 1 writes "no limit" as -1
            found.append(int(quota) / int(period))
    return found


def _own_groups(root: Path, membership: str, controller: str) -> Iterator[Path]:
    """Give the folders of the groups that hold a process, and of their parents up to the root.

    In a container the root is often the container's own group, and the names below it do not exist.

    Args:
        root: where cgroups are mounted.
        membership: content of the process's /proc/PID/cgroup.
        controller: of version 1 of cgroups, whose groups lie in a folder of that name.
    """
    yield from (root, root / controller)
    for line in membership.splitlines():
        _, controllers, name = line.split(":", 2)
        own = PurePosixPath(name)
        if (controllers and controller not in controllers.split(",")) or ".." in own.parts:
            continue
        base = root / controller if controllers else root
        yield from (base / group.relative_to("/") for group in (own, *own.parents[:-1]))


def _reclaimable(stat: Path) -> int:
    """Return the bytes of page cache that the kernel gives back; a group counts them as used.

    Version 1 of cgroups has a figure that begins with "total" for a group and all below it.
    """
    values = dict(line.split() for line in _read(stat).splitlines())
    return int(values.get("total_inactive_file", values.get("inactive_file", 0)))


def _read(path: Path) -> str:
    """Return the text of a kernel file; "" if it is missing or may not be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
