"""What a task of each step of an index build does, and how it is measured."""

import time
from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np
import pyarrow as pa

from devise_lib.errors import InputError
from devise_lib.index.building.memory import peak_bytes, start_peak, threads_here
from devise_lib.index.building.merging import BUNDLE, read_truth
from devise_lib.index.building.plan import BuildPlan
from devise_lib.index.building.shards import Batch, Queries, write_shard
from devise_lib.index.building.training import set_threads
from devise_lib.index.building.training_steps import SampleBatch, train_seeds
from devise_lib.index.building.tuning import Asked, Goal, Meter, tune
from devise_lib.index.index_file import IndexFile
from devise_lib.index.manifest import INDEX_FILE, StepCost
from devise_lib.storage.copies import fetched

Batches = Iterator[pa.RecordBatch]
TASK = "seconds double, peak long, text string"  # the row that a task returns


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


def run_seeds(plan: BuildPlan, batches: Batches) -> Iterator[Cost]:
    with Cost(0) as cost:
        train_seeds(plan, (SampleBatch(b["photo_id"], b["embedding"]) for b in batches))
    yield cost


def run_shards(plan: BuildPlan, batches: Batches) -> Iterator[Cost]:
    """Write the shards of a partition, one after the other."""
    each = (
        (number, Batch(rows["photo_id"], rows["embedding"], rows["sha256"]))
        for number, rows in _by_shard(batches)
    )
    for number, group in groupby(each, key=itemgetter(0)):
        with Cost(1) as cost:
            write_shard(plan, number, (batch for _, batch in group))
        yield cost


def _by_shard(batches: Batches) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield pieces of batches that belong to one shard each."""
    for batch in batches:
        numbers = batch["shard"].to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(bounds):
            if stop > start:
                yield int(numbers[start]), batch.slice(start, stop - start)


def run_tuning(plan: BuildPlan, goal: Goal, max_mapped: int) -> str:
    """Choose the search settings; returns them as JSON."""
    with fetched(plan.path(f"{BUNDLE}/{plan.segment}/{INDEX_FILE}")) as path:
        index = IndexFile(path)
        if not index.n:
            raise InputError("no embedding of the model can be indexed: see QUARANTINE")
        asked = Asked.of(Queries.of(plan).vectors, read_truth(plan))
        meter = Meter(index, threads_here(), max_mapped)
        return tune(meter, index, asked, goal).to_json()
