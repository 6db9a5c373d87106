"""Tells at the end of a run what the tests cost, and shares them out by what they cost before.

A run of many tests ends with its times, its slowest tests and the number of its Spark jobs. Nothing
fails by it. The budgets are in CONTRIBUTING.md. `--store-durations` writes the seconds of each file
to tests/durations.json. Files are handed out in that order, the longest first, so that no process
is left with a long file at the end.
"""

import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

import pytest

DURATIONS = Path(__file__).with_name("durations.json")  # path from tests/ -> seconds
SLOWEST = 20
SPARK_JOBS = "spark_jobs"
FUZZED = "examples"  # a test's property: how many inputs it drew, see tests/fuzz
SHARED_RUN = "small_run"  # the fixture of a whole run of the pipeline, made once for all processes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store-durations",
        action="store_true",
        help=f"write the seconds that each file took to tests/{DURATIONS.name}",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Budget(), "budget")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = longest_first({file_of(item.nodeid) for item in items}, read_durations())
    sharing = {
        file_of(item.nodeid) for item in items if SHARED_RUN in getattr(item, "fixturenames", ())
    }
    order = maker_first(order, sharing)
    places = {name: place for place, name in enumerate(order)}
    items.sort(key=lambda item: places[file_of(item.nodeid)])  # a stable sort: files stay whole


def longest_first(files: set[str], durations: Mapping[str, float]) -> list[str]:
    """Files by their seconds; one that was never measured counts as the average of the others."""
    average = mean(durations.values()) if durations else 0.0
    return sorted(files, key=lambda name: (-durations.get(name, average), name))


def maker_first(order: Sequence[str], sharing: set[str]) -> list[str]:
    """The order with one of the files that share a run in front, which makes the run.

    Else several processes would come to such files at once, and all but one wait for minutes.
    """
    maker = next((name for name in order if name in sharing), None)
    return sorted(order, key=lambda name: name != maker)


def updated(
    before: Mapping[str, float], taken: Mapping[str, float], files: set[str]
) -> dict[str, float]:
    """Durations in which measured files are replaced and `files` alone are kept, by name."""
    merged = {**before, **{name: round(seconds, 1) for name, seconds in taken.items()}}
    return {name: merged[name] for name in sorted(merged) if name in files}


def read_durations() -> dict[str, float]:
    return json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}


def file_of(nodeid: str) -> str:
    """A test's file from tests/."""
    return nodeid.partition("::")[0].removeprefix("tests/")


class SparkJobs:
    """Counts the Spark jobs of the sessions that this process has had."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}  # by Spark application

    def since_last(self) -> int:
        """The jobs since the last call; 0 where there is no session."""
        before = sum(self._seen.values())
        pyspark = sys.modules.get("pyspark")
        context = pyspark and pyspark.SparkContext._active_spark_context
        if context:
            with contextlib.suppress(Exception):  # a test may have stopped its JVM: never its fault
                jobs = context._jsc.sc().dagScheduler().numTotalJobs()
                self._seen[context.applicationId] = jobs
        return sum(self._seen.values()) - before


class Budget:
    """Gathers what the tests cost, in one process or from those of pytest-xdist."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._jobs = SparkJobs()
        self._seconds: dict[str, float] = defaultdict(float)  # by test
        self._spark_jobs: dict[str, int] = {}
        self._fuzzed: dict[str, int] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        # Before the fixtures end, since the session's may be among them.
        item.user_properties.append((SPARK_JOBS, self._jobs.since_last()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.when == "teardown":
            self._spark_jobs[report.nodeid] = dict(report.user_properties).get(SPARK_JOBS, 0)
            if count := dict(report.user_properties).get(FUZZED):
                self._fuzzed[report.nodeid] = count

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        wall = time.monotonic() - self._started
        if len(self._seconds) > SLOWEST:
            terminalreporter.section("what the tests cost")
            for line in summary(wall, self._seconds, self._spark_jobs):
                terminalreporter.write_line(line)
        for test, count in self._fuzzed.items():
            terminalreporter.write_line(
                f"{count:,} examples in {self._seconds[test]:.0f} s: {test}"
            )
        if terminalreporter.config.getoption("store_durations"):
            self._store()

    def _store(self) -> None:
        taken: dict[str, float] = defaultdict(float)
        for test, seconds in self._seconds.items():
            taken[file_of(test)] += seconds
        folder = DURATIONS.parent
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("test_*.py")}
        text = json.dumps(updated(read_durations(), taken, files), indent=0)
        DURATIONS.write_text(text + "\n")


def summary(
    wall_s: float, seconds: Mapping[str, float], spark_jobs: Mapping[str, int]
) -> Iterator[str]:
    """Lines for a person: the whole, and the slowest tests with their Spark jobs."""
    yield f"wall time {minutes(wall_s)}"
    yield f"process time {minutes(sum(seconds.values()))} (setup, call and teardown of all tests)"
    yield (
        f"{sum(spark_jobs.values()):,} Spark jobs (of the sessions in the tests' own processes; "
        "programs that tests start are not counted)"
    )
    slowest: Sequence[str] = sorted(seconds, key=seconds.__getitem__, reverse=True)[:SLOWEST]
    yield f"the {len(slowest)} slowest tests: seconds, Spark jobs"
    for test in slowest:
        yield f"{seconds[test]:7.1f} {spark_jobs.get(test, 0):5}  {test}"


def minutes(seconds: float) -> str:
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
