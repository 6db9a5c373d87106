"""What a task of some steps of an index build does with the rows of its partition."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from devise_lib.errors import InputError
from devise_lib.index.building.assembly import BUNDLE, assemble
from devise_lib.index.building.memory import threads_here
from devise_lib.index.building.merging import LAYOUT, write_layout, write_part
from devise_lib.index.building.meter import Asked, Meter
from devise_lib.index.building.plan import BuildPlan, part_name
from devise_lib.index.building.shards import Batch, Queries, write_shard
from devise_lib.index.building.training_steps import (
    SampleBatch,
    keep_queries,
    take_trained,
    train_empty,
    train_seeds,
)
from devise_lib.index.building.truth import read_truth
from devise_lib.index.building.tuning import Goal, tune
from devise_lib.index.index_file import IndexFile
from devise_lib.index.manifest import INDEX_FILE
from devise_lib.spark.search.spreading import by_shard
from devise_lib.spark.search.step_runner import Batches, Cost
from devise_lib.storage.copies import fetched


def run_seeds(plan: BuildPlan, batches: Batches) -> Iterator[Cost]:
    """Train on the sample, or only keep its queries for an index that is trained already."""
    with Cost(0) as cost:
        sample = (SampleBatch(b["photo_id"], b["embedding"]) for b in batches)
        if plan.base:
            keep_queries(plan, sample)
            take_trained(plan)
        else:
            train_seeds(plan, sample)
            if plan.space_parts == 1:
                train_empty(plan)
    yield cost


def merge(plan: BuildPlan) -> None:
    """Cut the lists into parts; where there is one, merge it and write the index file."""
    if plan.done(LAYOUT) is None:
        write_layout(plan)
    if plan.require(LAYOUT).values["parts"] == 1:
        if plan.done(part_name(0)) is None:
            write_part(plan, 0)
        assemble(plan)


def run_shards(plan: BuildPlan, batches: Batches) -> Iterator[Cost]:
    """Write the shards of a partition, one after the other."""
    each = (
        (number, Batch(rows["photo_id"], rows["embedding"], rows["sha256"]))
        for number, rows in by_shard(batches)
    )
    for number, group in groupby(each, key=itemgetter(0)):
        with Cost(1) as cost:
            write_shard(plan, number, (batch for _, batch in group))
        yield cost


def run_tuning(plan: BuildPlan, goal: Goal, max_mapped: int) -> str:
    """Choose the search settings; returns them as JSON."""
    with fetched(plan.path(f"{BUNDLE}/{plan.segment}/{INDEX_FILE}")) as path:
        index = IndexFile(path)
        if not index.n:
            raise InputError("no embedding of the model can be indexed: see QUARANTINE")
        asked = Asked.of(Queries.of(plan).vectors, read_truth(plan))
        meter = Meter(index, threads_here(), max_mapped)
        return tune(meter, index, asked, goal).to_json()
