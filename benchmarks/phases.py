"""Profiles a job: wall and CPU time by phase, and each long call of Spark.

python benchmarks/phases.py jobs/NAME.py --config FILE.toml [--set KEY=VALUE ...]
python benchmarks/phases.py pytest -n 0 tests/FILE.py [-k NAME]

The job, or the module, runs in this process just as it does as a program. The CPU time of its own
Python, of the JVM and of all other child processes (Spark's Python workers, Horovod's ranks) is
counted separately. The seconds of a phase exclude those of a phase within it.
"""

import runpy
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
LONG_S = 0.1  # longer calls of Spark are listed separately


@dataclass
class Usage:
    """Wall time, CPU seconds by kind of process, and the number of Spark jobs so far."""

    wall_s: float
    python_s: float
    jvm_s: float
    others_s: float
    jobs: int

    def values(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())

    def minus(self, other: "Usage") -> "Usage":
        return Usage(*(a - b for a, b in zip(self.values(), other.values(), strict=True)))

    def plus(self, other: "Usage") -> "Usage":
        return Usage(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))


NOTHING = Usage(0.0, 0.0, 0.0, 0.0, 0)
ME = psutil.Process()
BUSY: list[str] = []  # current calls into the JVM
GONE: dict[int, tuple[str, float]] = {}  # CPU of child processes, also ended ones


def used() -> Usage:
    from pyspark import SparkContext

    for process in ME.children(recursive=True):
        try:
            times = process.cpu_times()
            GONE[process.pid] = process.name(), times.user + times.system
        except psutil.Error:
            continue
    own = ME.cpu_times()
    jvm = sum(s for name, s in GONE.values() if name == "java")
    others = sum(s for name, s in GONE.values() if name != "java")
    BUSY.append("used")  # the calls made here are no part of the job
    context = getattr(SparkContext._active_spark_context, "_jsc", None)
    scheduler = context.sc().dagScheduler() if context else None
    jobs = scheduler.numTotalJobs() if scheduler else 0
    BUSY.pop()
    return Usage(time.perf_counter(), own.user + own.system, jvm, others, jobs)


class Phases:
    """Named phases, which may be nested."""

    def __init__(self) -> None:
        self.rows: dict[str, Usage] = {}
        self._open: list[list[Any]] = []

    def begin(self, name: str) -> None:
        self._open.append([name, used(), NOTHING])

    def end(self) -> None:
        name, start, within = self._open.pop()
        spent = used().minus(start)
        self.rows[name] = self.rows.get(name, NOTHING).plus(spent.minus(within))
        if self._open:
            self._open[-1][2] = self._open[-1][2].plus(spent)

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*args: Any, **options: Any) -> Any:
            self.begin(name)
            try:
                return call(*args, **options)
            finally:
                self.end()

        return counted


def trace_spark(phases: Phases) -> None:
    """Makes each call into the JVM that ran a Spark job or took long a phase."""
    import py4j.java_gateway as gateway

    plain = gateway.JavaMember.__call__

    def call(member: Any, *args: Any) -> Any:
        if BUSY:  # a call within a call, or one of `used`
            return plain(member, *args)
        BUSY.append(member.name)
        try:
            phases.begin("a call")
            try:
                return plain(member, *args)
            finally:
                phases.end()
                spent = phases.rows.pop("a call")
                shown = spent.jobs or spent.wall_s >= LONG_S
                name = f"Spark: {member.name} of {place()}" if shown else "Spark: short calls"
                phases.rows[name] = phases.rows.get(name, NOTHING).plus(spent)
        finally:
            BUSY.pop()

    gateway.JavaMember.__call__ = call


def place() -> str:
    """Returns the innermost running line of the project."""
    frames = [f for f in traceback.extract_stack() if "/devise_lib/" in f.filename]
    return f"{Path(frames[-1].filename).name}, {frames[-1].name}" if frames else "the job"


def main() -> None:
    phases, began = Phases(), time.perf_counter()
    phases.begin("imports: Spark and MLflow")
    from devise_lib.spark.job import entry

    phases.end()
    names = {"start_session": "session", "execute": "the job itself"}
    for name, phase in names.items():
        setattr(entry, name, phases.wrap(phase, getattr(entry, name)))
    entry.tracking.connect = phases.wrap("MLflow: connect", entry.tracking.connect)
    trace_spark(phases)
    sys.argv.pop(0)
    phases.begin("imports: the rest")
    try:
        if sys.argv[0].endswith(".py"):
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as left:
        print(f"it left with {left.code}")
    finally:
        phases.end()
    print(f"\n{' '.join(sys.argv)}: {time.perf_counter() - began:.1f} s")
    print(
        "| phase | wall s | CPU s: Python | JVM | others | Spark jobs |\n|---|---|---|---|---|---|"
    )
    for name, row in phases.rows.items():
        figures = f"{row.wall_s:.2f} | {row.python_s:.2f} | {row.jvm_s:.2f} | {row.others_s:.2f}"
        print(f"| {name} | {figures} | {row.jobs} |")


if __name__ == "__main__":
    main()
