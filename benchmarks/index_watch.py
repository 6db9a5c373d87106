"""Runs a builder as a program, and samples the memory of all its processes.

Proportional set sizes (PSS) are taken: a page that several processes share is counted once in all,
and pages of mapped files count as far as they are in memory.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SECONDS = 0.25  # between two samples
MIB = 2**20


@dataclass
class Sample:
    """The memory of all processes at one time, in bytes.

    Attributes:
        at: in seconds since the epoch.
        python: the PSS of the Python process that has most; `rss` is its resident set.
        jvm: the PSS of all JVMs.
        tree: the PSS of all processes.
        anonymous: the part of `tree` that is of no file.
    """

    at: float
    python: int = 0
    rss: int = 0
    jvm: int = 0
    tree: int = 0
    anonymous: int = 0


@dataclass(frozen=True)
class Watched:
    """What a program printed as its last line, and the samples of its memory.

    Attributes:
        result: the JSON of the line.
        samples: of the memory.
        cpu_s: the CPU seconds of all its processes, its start included.
        others: the cores that other programs of the machine kept busy meanwhile, on average.
    """

    result: dict[str, Any]
    samples: list[Sample] = field(repr=False)
    cpu_s: float
    others: float

    def peaks(self) -> dict[str, float]:
        """Returns the peaks in MiB, from `began` to `ended` of the result."""
        began, ended = self.result["began"], self.result["ended"]
        within = [sample for sample in self.samples if began <= sample.at <= ended + SECONDS]
        names = ("python", "rss", "jvm", "tree", "anonymous")
        return {name: max(getattr(each, name) for each in within) / MIB for name in names}


def watch(command: Sequence[str], **environment: str) -> Watched:
    """Runs a command up to its end, and samples its processes meanwhile.

    Raises:
        RuntimeError: it failed; shows the end of its errors.
    """
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as errors,
        psutil.Popen(list(command), stdout=out, stderr=errors, env=environment or None) as program,
    ):
        samples, spent = [], dict[int, float]()
        began, busy_before = time.monotonic(), busy_s()
        while program.poll() is None:
            samples.append(take_sample(program.pid, spent))
            time.sleep(SECONDS)
        cpu_s = sum(spent.values())
        others = max(busy_s() - busy_before - cpu_s, 0.0) / (time.monotonic() - began)
        errors.seek(0)
        if program.returncode:
            told = errors.read()[-3_000:]
            raise RuntimeError(f"{' '.join(command)} ended with {program.returncode}:\n{told}")
        out.seek(0)
        return Watched(json.loads(out.read().splitlines()[-1]), samples, cpu_s, others)


def take_sample(root: int, spent: dict[int, float]) -> Sample:
    """Returns the memory of a process and all below it; notes the CPU seconds of each by its id."""
    sample = Sample(time.time())
    try:
        processes = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    except psutil.Error:
        return sample
    for process in processes:
        try:
            is_jvm = process.name().startswith("java")
            sizes, times = smaps(process.pid), process.cpu_times()
            spent[process.pid] = times.user + times.system
        except (psutil.Error, OSError):
            continue  # it has just ended
        sample.tree += sizes.get("Pss", 0)
        sample.anonymous += sizes.get("Pss_Anon", 0)
        if is_jvm:
            sample.jvm += sizes.get("Pss", 0)
        elif sizes.get("Pss", 0) > sample.python:
            sample.python, sample.rss = sizes["Pss"], sizes["Rss"]
    return sample


def busy_s() -> float:
    """Returns the CPU seconds of all programs since the machine started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def smaps(pid: int) -> dict[str, int]:
    """Returns the sums that Linux keeps of a process's mappings, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return {name.rstrip(":"): int(size) * 1024 for name, size, *_ in fields}


def last_line(command: Sequence[str]) -> dict[str, Any]:
    """Runs a command that is not measured; returns the JSON of its last line."""
    done = subprocess.run(list(command), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])
