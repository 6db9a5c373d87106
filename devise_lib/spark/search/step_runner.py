"""Runs the steps of an index as Spark jobs, and measures their tasks."""

import time
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, Row, SparkSession

from devise_lib.console import print_line
from devise_lib.index.building.memory import peak_bytes, start_peak, threads_here
from devise_lib.index.building.plan import GIB
from devise_lib.index.building.training import set_threads
from devise_lib.index.manifest import StepCost
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.storage.stores import this_access

Batches = Iterator[pa.RecordBatch]
TASK = "seconds double, peak long, text string"  # the row that a task returns
# Of vectors in an Arrow batch: more are faster, and take memory, also for scores of each query.
BATCH_BYTES, BATCH_ROWS = 4 * 2**20, 8_192


class Costs:
    """Adds up what the tasks of each step took."""

    def __init__(self) -> None:
        self.of: dict[str, StepCost] = {}

    def add(self, step: str, seconds: float, peak: int) -> None:
        """Adds a task."""
        before = self.of.get(step, StepCost(0, 0.0, 0))
        self.of[step] = StepCost(
            before.tasks + 1, before.seconds + seconds, max(before.peak_bytes, peak)
        )


class Cost:
    """Measures a task: its time, and the most memory of its process."""

    def __init__(self, threads: int) -> None:
        set_threads(threads or threads_here())

    def __enter__(self) -> "Cost":
        start_peak()
        self._start = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds, self._peak = time.monotonic() - self._start, peak_bytes()

    def row(self, text: str) -> pa.RecordBatch:
        """Return the row of TASK for it."""
        values = {"seconds": self._seconds, "peak": self._peak, "text": text}
        return pa.RecordBatch.from_pylist([values])


class StepRunner:
    """Runs steps on the workers, and keeps what they took."""

    def __init__(self, spark: SparkSession, dimension: int, job: str = "build_index") -> None:
        """Takes the session, the length of a vector, which decides the rows of a batch, and the
        job, for what is printed.
        """
        self.job = job
        self.spark, self.access = spark, this_access()
        self.costs = Costs()
        self._batch_rows = min(max(BATCH_BYTES // (4 * dimension), 1), BATCH_ROWS)

    def one(self, step: str, work: Callable[[], object]) -> str:
        """Runs a step of one task, which has all cores of its machine; returns its text."""
        [text] = self.each(step, [0], lambda _: work())
        return text

    def each(self, step: str, numbers: Sequence[int], work: Callable[[int], object]) -> list[str]:
        """Runs a step with a task per number; returns their texts, "" for other results."""
        if not numbers:
            return []
        access, threads, chosen = self.access, 0 if len(numbers) == 1 else 1, list(numbers)

        def run(batches: Batches) -> Batches:
            access.open()
            for batch in batches:
                for place in batch["id"].to_pylist():
                    with Cost(threads) as cost:
                        made = work(chosen[place])
                    yield cost.row(made if isinstance(made, str) else "")

        one_per_task = self.spark.range(len(chosen), numPartitions=len(chosen))
        return self.collect(step, one_per_task.mapInArrow(run, TASK))

    def over(
        self, step: str, rows: DataFrame, work: Callable[[Batches], Iterator[Cost]]
    ) -> list[str]:
        """Runs a step over the partitions of some rows."""
        access = self.access

        def run(batches: Batches) -> Batches:
            access.open()
            for cost in work(batches):
                yield cost.row("")

        return self.collect(step, rows.mapInArrow(run, TASK))

    def warn(self, max_memory_gib: float) -> None:
        """Prints the steps whose processes took more memory than they should."""
        for step, cost in self.costs.of.items():
            if (taken := cost.peak_bytes / GIB) > max_memory_gib:
                print_line(
                    f"{self.job}  a task of the step {step} took {taken:.2f} GiB, above "
                    f"max_memory_gib = {max_memory_gib}"
                )

    def collect(self, step: str, tasks: DataFrame) -> list[str]:
        """Runs tasks that return rows of TASK, and keeps their costs; returns their texts."""
        with arrow_rows(self.spark, self._batch_rows):
            rows: Sequence[Row] = tasks.collect()
        for row in rows:
            self.costs.add(step, row["seconds"], row["peak"])
        return [row["text"] for row in rows]
