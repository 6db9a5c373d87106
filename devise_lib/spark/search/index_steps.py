"""The steps of an index build as Spark jobs, each on the workers.

| step | tasks | what a task holds |
|---|---|---|
| seeds | one | a sample: that of all lists, or 256 vectors per part of the space |
| centroids, from 4,096 lists on | one per part of the space | the part's share of the sample |
| trained, from 4,096 lists on | one | all centroids, and a sample of 65,536 vectors and more |
| shards | one per shard | the codes of a shard, and the centroids |
| merge | one | a number per list, and one per shard and part of the file; a single part |
| parts, if there are several | one per part of the file | the lists of the part |
| assembled, if there are several parts | one | 8 MiB of the file, and the centroids |
| tuned | one | the pages of the index that queries read, up to a bound |

The steps meet in a folder that all machines see (`index.building`). Each leaves a marker, and a
build that was killed goes on after the last one. The sizes above follow from `max_memory_gib`. Only
counts, times, names of files and the curve of recall pass through the driver. A row's place depends
on its photo_id alone, so the bundle does not depend on how the table was partitioned, or on the
number of shards.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.console import print_line
from devise_lib.index.building.assembly import ASSEMBLED, assemble
from devise_lib.index.building.intake import take_in
from devise_lib.index.building.merging import LAYOUT, write_part
from devise_lib.index.building.plan import BuildPlan, Plan, centroids_name, part_name, shard_name
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import Queries, write_shard
from devise_lib.index.building.training_steps import (
    SEEDS,
    TRAINED,
    read_seeds,
    take_trained,
    train_centroids,
    train_empty,
)
from devise_lib.spark.search.index_tasks import merge, run_seeds, run_shards
from devise_lib.spark.search.spreading import place_of_column, spread
from devise_lib.spark.search.step_runner import TASK, Batches, Cost, StepRunner
from devise_lib.storage.stores import store_files

PlanT = TypeVar("PlanT", bound=Plan)


class IndexBuild:
    """The steps of a build. Those that have a marker are not run again."""

    def __init__(self, embeddings: DataFrame, plan: BuildPlan) -> None:
        self._plan = plan
        self.runner = StepRunner(embeddings.sparkSession, plan.dimension)
        columns = embeddings.select("photo_id", "embedding", "sha256")
        self._embeddings = columns.withColumn("place", place_of_column("photo_id"))

    def run(self) -> list[Product]:
        """Run all steps up to the index file; returns the shards."""
        plan = self._plan
        self._drop_damaged()
        if plan.done(SEEDS) is None or plan.done(TRAINED) is None:
            self._train()
        numbers = range(plan.shards)
        if missing := [n for n in numbers if plan.done(shard_name(n)) is None]:
            self._write_shards(missing)
        if plan.done(ASSEMBLED) is None:
            self.runner.one("merge", partial(merge, plan))
        if plan.done(ASSEMBLED) is None:
            write_parts(self.runner, plan, write_part, assemble)
        return [plan.require(shard_name(number)) for number in numbers]

    def _drop_damaged(self) -> None:
        """Remove the markers of steps whose files are not those that were written."""
        plan, layout = self._plan, self._plan.done(LAYOUT)
        shards = [shard_name(number) for number in range(plan.shards)]
        parts = [part_name(number) for number in range(layout.values["parts"] if layout else 0)]
        stages = [[TRAINED], shards, [LAYOUT], parts, [ASSEMBLED]]
        if plan.done(TRAINED) is None:  # Afterwards nobody reads the centroids of the parts.
            names = (centroids_name(part) for part in range(plan.space_parts))
            stages.insert(0, [name for name in names if plan.done(name) is not None])
        drop_damaged(self.runner, plan, [[SEEDS], *stages])
        if plan.done(SEEDS) is None and plan.space_parts > 1:
            drop_markers(plan, [centroids_name(part) for part in range(plan.space_parts)])

    def _train(self) -> None:
        plan = self._plan
        if plan.done(SEEDS) is None:
            count = plan.queries + (0 if plan.base else plan.seed_points)
            rows = smallest_hashes(self._embeddings, plan, count)
            in_order = rows.repartition(1).sortWithinPartitions("hash", "photo_id")
            self.runner.over(SEEDS, in_order, partial(run_seeds, plan))
        if plan.done(TRAINED) is not None:  # The first step trains a small index as a whole.
            return
        if plan.base:
            self.runner.one(TRAINED, partial(take_trained, plan))
            return
        if plan.space_parts > 1:
            rows = smallest_hashes(self._embeddings, plan, plan.queries + plan.list_points)
            self._train_parts(rows)
        self.runner.one(TRAINED, partial(train_empty, plan))

    def _train_parts(self, sample: DataFrame) -> None:
        """Train the centroids of each part of the space on the photos that lie there."""
        plan, access = self._plan, self.runner.access

        def assign(batches: Batches) -> Batches:
            access.open()
            seeds = read_seeds(plan)
            known = set(Queries.of(plan).photo_ids.tolist())
            for batch in batches:
                taken = take_in(batch["photo_id"], batch["embedding"], plan.dimension)
                parts, points = seeds.part_of(taken.vectors)
                names = batch["photo_id"].take(pa.array(taken.kept)).to_pylist()
                trained = np.array([name not in known for name in names], np.bool_)
                hashes = batch["hash"].to_numpy()[taken.kept]
                yield _points(parts[trained], points[trained], hashes[trained])

        def train(key: tuple[Any, ...], group: pa.Table) -> pa.Table:
            access.open()
            part = int(key[0].as_py())
            with Cost(1) as cost:
                if plan.done(centroids_name(part)) is None:
                    column = group.sort_by("hash")["point"].combine_chunks()  # in any shuffle
                    width = len(column[0])
                    points = column.flatten().to_numpy().reshape(len(column), width)
                    train_centroids(plan, part, points)
            return pa.Table.from_batches([cost.row("")])

        points = sample.mapInArrow(assign, "part int, hash long, point array<float>")
        self.runner.collect("centroids", points.groupBy("part").applyInArrow(train, TASK))

    def _write_shards(self, numbers: Sequence[int]) -> None:
        plan = self._plan
        rows = spread(self._embeddings, plan.shards, numbers)
        in_order = rows.sortWithinPartitions("shard", "place", "photo_id", "sha256")
        self.runner.over("shards", in_order, partial(run_shards, plan))
        self.runner.each(  # shards without a photo, which no task has seen
            "shards",
            [n for n in numbers if plan.done(shard_name(n)) is None],
            lambda number: write_shard(plan, number, []),
        )


def write_parts(
    runner: StepRunner,
    plan: PlanT,
    write_part: Callable[[PlanT, int], Product],
    assemble: Callable[[PlanT], Product],
) -> None:
    """Write the parts of an index file that are missing, and then the file.

    Args:
        runner: of the steps.
        plan: whose layout is done.
        write_part: writes the part of a number.
        assemble: writes the file from the parts.
    """
    parts = range(plan.require(LAYOUT).values["parts"])
    missing = [number for number in parts if plan.done(part_name(number)) is None]
    runner.each("parts", missing, partial(write_part, plan))
    runner.one(ASSEMBLED, partial(assemble, plan))


def drop_damaged(runner: StepRunner, plan: Plan, stages: Sequence[Sequence[str]]) -> None:
    """Remove the markers of those steps whose files are not the ones that were written.

    An earlier run has left them, and a disk or a person may have changed them since. Steps of later
    stages were made from these files, so their markers go as well.

    Args:
        runner: of the steps.
        plan: of the steps.
        stages: names of steps; each stage is made from those before it.
    """
    done = [name for stage in stages for name in stage if plan.done(name) is not None]

    def check(number: int) -> str:
        product = plan.done(done[number])
        return "" if product and product.is_whole() else done[number]

    for name in runner.each("checked", range(len(done)), check):
        if name:
            print_line(f"{runner.job}  {plan.path(name)} is damaged: it is made again")
            drop_markers(plan, [name])
    is_whole = True
    for stage in stages:
        if not is_whole:
            drop_markers(plan, stage)
        is_whole = is_whole and all(plan.done(name) is not None for name in stage)


def drop_markers(plan: Plan, names: Sequence[str]) -> None:
    """Remove the markers of steps, so that they are run again."""
    for name in names:
        store_files().remove(plan.path(f"{name}.json"))


def smallest_hashes(embeddings: DataFrame, plan: BuildPlan, count: int) -> DataFrame:
    """Return a uniform sample: hash, photo_id, embedding.

    It has the rows with the smallest hashes: `count` of them, and a few more. Larger samples hold
    smaller ones. The choice depends on the photos' ids and the seed alone.
    """
    hashed = embeddings.select(
        F.xxhash64(F.lit(plan.seed), "photo_id").alias("hash"), "photo_id", "embedding"
    )
    enough = count + 6 * math.sqrt(count) + 20  # Fewer would come once in a billion builds.
    if enough >= plan.rows:
        return hashed
    return hashed.where(F.col("hash") < int(-(2**63) + 2**64 * enough / plan.rows))


def _points(
    parts: NDArray[np.int64], points: NDArray[np.float32], hashes: NDArray[np.int64]
) -> pa.RecordBatch:
    offsets = pa.array(np.arange(0, points.size + 1, points.shape[1]), pa.int32())
    column = pa.ListArray.from_arrays(offsets, pa.array(points.ravel(), pa.float32()))
    return pa.RecordBatch.from_pydict(
        {"part": pa.array(parts, pa.int32()), "hash": pa.array(hashes), "point": column}
    )
