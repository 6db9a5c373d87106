"""Builds an index bundle from EMBEDDINGS, in three steps that each run on the workers.

1. One task trains the centroids on a sample, and stores the queries that measure recall.
2. Each task adds the photos of one range of photo_id to a copy of the empty index, searches them
   exactly for the queries, and writes a shard.
3. One task merges the shards and finds the smallest nprobe that reaches the recall.

The steps meet in a folder that all machines see. Only counts and the result pass through the
driver. Rows are numbered in the order of photo_id, so the bundle does not depend on how the table
was partitioned. A task holds the sample (step 1) or one shard (step 2), both bounded by the
configuration. The limit is step 3: its task holds the whole index in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.config.search import BuildIndex
from devise_lib.errors import InputError
from devise_lib.index.building import (
    BuildPlan,
    BuildResult,
    SampleBatch,
    merge_shards,
    train_index,
    write_shard,
)
from devise_lib.index.bundle import Bundle, Manifest, index_root, publish
from devise_lib.index.faiss_index import METRIC, VERSION
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import METRICS
from devise_lib.spark.tables.vector_columns import to_matrix
from devise_lib.storage.stores import StoreAccess, clean_up, store_files, this_access

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Size:
    """The number of embeddings, and the dimension of each."""

    n: int
    dimension: int


def measure(embeddings: DataFrame, model_id: str) -> Size:
    """Return the number of embeddings and their dimension.

    Raises:
        InputError: there is none, their dimensions differ, or one is null.
    """
    length = F.size("embedding")  # For a null it is null under ANSI rules, otherwise -1.
    found = embeddings.agg(
        F.count("*").alias("n"),
        F.min(length).alias("least"),
        F.max(length).alias("most"),
        F.count_if(F.col("embedding").isNull() | F.col("photo_id").isNull()).alias("nulls"),
    ).first()
    if found is None or not found["n"]:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    if found["nulls"] or found["least"] != found["most"]:
        raise InputError(
            f"the embeddings of model {model_id} have {found['least']} to {found['most']} numbers "
            f"and {found['nulls']} are null, want one length: they do not come from embed_photos"
        )
    return Size(int(found["n"]), int(found["most"]))


def build_bundle(
    embeddings: DataFrame, config: BuildIndex, model_id: str, table_version: int, run_id: str
) -> Bundle:
    """Index the embeddings (photo_id, embedding), publish the bundle, and return it.

    Args:
        embeddings: of one model, at one version of the table; each photo once.
        config: of the job.
        model_id, table_version, run_id: origin of the embeddings, for the bundle's manifest.

    Raises:
        InputError: there is nothing to index, or nlist is larger than the training sample.
    """
    size = measure(embeddings, model_id)
    root = index_root(config.work_dir)
    building = f"{root}/.{model_id}-v{table_version}.draft"
    store_files().remove(building)  # of a run that was killed
    try:
        plan = BuildPlan(
            folder=building,
            dimension=size.dimension,
            n=size.n,
            nlist=config.nlist,
            k=config.k,
            recall_target=config.recall_target,
            seed=config.seed,
        )
        merged = _run_steps(embeddings, config, plan)
        manifest = Manifest(
            model_id=model_id,
            table="embeddings",
            table_version=table_version,
            run_id=run_id,
            dimension=size.dimension,
            metric=METRIC,
            recall_target=config.recall_target,
            seed=config.seed,
            faiss_version=VERSION,
            **vars(merged),
        )
        return publish(plan.result, manifest, root)
    finally:
        clean_up(building)


def write_recall(tables: Tables, bundle: Bundle) -> None:
    """Write the recall of the index to METRICS, in place of that of the model's last index."""
    made = bundle.manifest
    row = {
        "run_id": made.run_id,
        "model_id": made.model_id,
        "method": "ivf",
        "photo_set": "all",
        "candidate_set": "exact_search",
        "metric": "recall",
        "k": made.k,
        "value": made.recall,
        "seed": made.seed,
    }
    rows = tables.spark.createDataFrame([row], METRICS)
    tables.overwrite("metrics", rows, where=f"model_id = '{made.model_id}' AND method = 'ivf'")


def _run_steps(embeddings: DataFrame, config: BuildIndex, plan: BuildPlan) -> BuildResult:
    access = this_access()
    sample = sample_photos(embeddings, plan.n, config.queries, config.train_size, config.seed)
    in_order = sample.repartition(1).sortWithinPartitions("hash", "photo_id")
    in_order.mapInArrow(_make_train(plan, access), "nlist long").collect()
    ranges = (
        embeddings.select("photo_id", "embedding")
        .repartitionByRange(-(-plan.n // config.shard_rows), "photo_id")
        .sortWithinPartitions("photo_id")
    )
    shards = ranges.mapInArrow(_make_shard(plan, access), "n long").collect()
    one_task = embeddings.sparkSession.range(1, numPartitions=1)
    [row] = one_task.mapInArrow(_make_merge(plan, access), "merged string").collect()
    merged = BuildResult.from_json(row["merged"])
    if not plan.n == merged.n == sum(shard["n"] for shard in shards):
        raise RuntimeError(f"{plan.n} embeddings were counted, but the index holds {merged.n}")
    return merged


def sample_photos(
    embeddings: DataFrame, n: int, queries: int, train_size: int, seed: int
) -> DataFrame:
    """Return a uniform sample: hash, photo_id, embedding, is_query.

    The photos with the smallest hashes are the queries, at most a tenth of all. Those that follow
    are for training. So no query is trained on, unless it is the only photo. The choice depends
    only on the photos' ids and the seed.

    Args:
        embeddings: with photo_id and embedding.
        n: their number, at least 1.
        queries, train_size: upper limits of the rows of each kind.
        seed: of the hash.
    """
    hashed = embeddings.select(
        F.xxhash64(F.lit(seed), "photo_id").alias("hash"), "photo_id", "embedding"
    )
    n_queries = min(queries, max(1, n // 10))
    last_query = _smallest(hashed, n_queries)
    last = _smallest(hashed, min(n, n_queries + train_size))
    chosen = hashed.where(F.col("hash") <= last)
    return chosen.withColumn("is_query", F.col("hash") <= last_query)


def _smallest(hashed: DataFrame, count: int) -> Column:
    """Return the count-th smallest hash. Only hashes are sorted, so no vector is moved."""
    [row] = hashed.select("hash").orderBy("hash").limit(count).agg(F.max("hash")).collect()
    return F.lit(row[0])


def _make_train(plan: BuildPlan, access: StoreAccess) -> Callable[[Batches], Batches]:
    def read(batches: Batches) -> Iterator[SampleBatch]:
        for batch in batches:
            yield SampleBatch(
                photo_ids=batch["photo_id"].to_pylist(),
                vectors=to_matrix(batch["embedding"], plan.dimension),
                is_query=batch["is_query"].to_numpy(zero_copy_only=False),
            )

    def train(batches: Batches) -> Batches:
        access.open()
        yield _one_row(nlist=train_index(plan, read(batches)))

    return train


def _make_shard(plan: BuildPlan, access: StoreAccess) -> Callable[[Batches], Batches]:
    def shard(batches: Batches) -> Batches:
        access.open()
        vectors = ((b["photo_id"], to_matrix(b["embedding"], plan.dimension)) for b in batches)
        number = TaskContext.get().partitionId()  # in the order of photo_id
        yield _one_row(n=write_shard(plan, number, vectors))

    return shard


def _make_merge(plan: BuildPlan, access: StoreAccess) -> Callable[[Batches], Batches]:
    def merge(batches: Batches) -> Batches:
        access.open()
        for _ in batches:
            yield _one_row(merged=merge_shards(plan).to_json())

    return merge


def _one_row(**values: object) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([values])
