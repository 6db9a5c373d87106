"""The plan of an index build: from the settings, the table and what an earlier build has left."""

from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib import __version__
from devise_lib.config.search import BuildIndex
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.index.building.plan import GIB, BuildPlan, Memory, shard_count, unfinished
from devise_lib.index.bundle import drop_drafts, index_root
from devise_lib.index.factory import ALMOST_ALL, IndexKey, choose_key
from devise_lib.index.index_file import VERSION
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, embeddings_of
from devise_lib.storage.files import folders_in
from devise_lib.storage.stores import clean_up, store_files

DRAFT = ".build-"  # how the folder of an unfinished build begins
CODE = f"faiss {VERSION}, devise-spark {__version__}"  # a plan of other code is another plan
TASKS_PER_CORE = 2  # shards at least, so that no core waits long for the last one
PROMISE = ("recall_target", "max_latency_ms", "max_bad_share")
GONE = ("FileNotFound", "FILE_NOT_EXIST", "DELTA_")  # how errors of removed files name them
# Settings that decide the bytes of an index: a build of other settings is another build.
ASKED = (
    *("index_key", "bytes_per_vector", "max_index_gib", "k", "queries", "points_per_list"),
    *("max_memory_gib", "table_version", "devices", "seed"),
)


@dataclass(frozen=True)
class Size:
    """The number of embeddings, the dimension of most, and the length of the longest photo_id."""

    rows: int
    dimension: int
    id_bytes: int


def measure(embeddings: DataFrame, model_id: str) -> Size:
    """Return what is known of the embeddings without reading all vectors.

    The dimension is that of most of the first 1,000 embeddings.

    Raises:
        InputError: there is none, or a photo_id is null.
    """
    found = embeddings.agg(
        F.count("*").alias("rows"),
        F.max(F.octet_length("photo_id")).alias("id_bytes"),
        F.count_if(F.col("photo_id").isNull()).alias("nulls"),
    ).first()
    if found is None or not found["rows"]:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    if found["nulls"]:
        raise InputError(
            f"{found['nulls']} embeddings of model {model_id} have no photo_id: they do not come "
            "from embed_photos; delete them"
        )
    lengths = embeddings.limit(1000).where("embedding IS NOT NULL").groupBy(F.size("embedding"))
    most = lengths.count().orderBy(F.desc("count"), F.desc("size(embedding)")).first()
    if most is None or not most[0]:
        raise InputError(
            f"the first embeddings of model {model_id} are null or empty: they do not come from "
            "embed_photos; delete them and run it"
        )
    return Size(int(found["rows"]), int(most[0]), max(int(found["id_bytes"]), 1))


def make_plan(tables: Tables, config: BuildIndex, model_id: str) -> BuildPlan:
    """Return the plan of the build: that of one that was killed, or a new one.

    Other unfinished builds are removed.

    Raises:
        InputError: there is nothing to index, or the budget is too small.
    """
    root = index_root(config.work_dir)
    names = [n for n in folders_in(store_files(), root) or [] if n.startswith(DRAFT)]
    folders = [f"{root}/{name}" for name in names]
    asked = {name: getattr(config, name) for name in ASKED}
    is_exact = config.index_key == "auto" and config.recall_target > ALMOST_ALL
    asked |= {"model_id": model_id, "code": CODE, "exact": is_exact}
    plan = unfinished(folders, asked)
    if plan is not None and _goes_on(tables, config, plan):
        print_line(
            f"{config.name}  goes on with a build of version {plan.table_version} of EMBEDDINGS "
            f"that was broken off; it is in {plan.folder}"
        )
    else:
        plan = _new_plan(tables, config, model_id, asked)
        clean_up(plan.folder)  # of a build of the same version with other settings
    drop_drafts(root, DRAFT, keep=plan.folder)
    plan.write()
    return plan


def memory_for(config: BuildIndex, key: IndexKey, dimension: int) -> Memory:
    """Return how much a task of each step may take."""
    return Memory.within(int(config.max_memory_gib * GIB), key, dimension)


def max_mapped(config: BuildIndex) -> int:
    """Return the bytes of an index file that a task may have in memory: half of what it has."""
    return int(config.max_memory_gib * GIB / 2)


def count_shards(tables: Tables, rows: int, memory: Memory) -> int:
    """Return the number of shards: as many as memory wants, and work for each core."""
    cores = tables.spark.sparkContext.defaultParallelism
    return shard_count(rows, memory.shard_rows, cores * TASKS_PER_CORE)


def versions_of(plan: BuildPlan) -> Versions:
    """Return the versions of the tables that a plan reads."""
    return Versions(plan.table_version, plan.photos_version, plan.transactions)


def promise_of(config: BuildIndex) -> dict[str, float]:
    """Return what a build must keep: a plan that cannot is not tried again at a newer version."""
    return {name: getattr(config, name) for name in PROMISE}


def _goes_on(tables: Tables, config: BuildIndex, plan: BuildPlan) -> bool:
    """Tell whether a build goes on with an earlier plan.

    A plan that has failed for what it read is given up for a newer version, where the photos or the
    model may be better.
    """
    if plan.has_failed(promise_of(config)) and config.table_version is None:
        newest = Versions.newest(tables)
        if newest != versions_of(plan):
            return False
    return _is_readable(tables, plan)


def _is_readable(tables: Tables, plan: BuildPlan) -> bool:
    """Tell whether the plan's versions are of these tables, with all rows: VACUUM removes files."""
    versions = versions_of(plan)
    if Versions.of(tables, plan.table_version, plan.photos_version) != versions:
        return False
    try:
        rows = embeddings_of(tables, plan.model_id, versions)
        found = rows.agg(F.count("photo_id")).first()
    except (PySparkException, Py4JJavaError) as error:
        if not any(word in str(error) for word in GONE):
            raise
        return False
    return found is not None and found[0] == plan.rows


def _new_plan(
    tables: Tables, config: BuildIndex, model_id: str, asked: dict[str, Any]
) -> BuildPlan:
    versions = Versions.newest(tables, config.table_version)
    size = measure(embeddings_of(tables, model_id, versions), model_id)
    queries = min(config.queries, max(1, size.rows // 10))
    key = _choose_key(config, size, max(size.rows - queries, 1))
    memory = memory_for(config, key, size.dimension)
    return BuildPlan(
        folder=f"{index_root(config.work_dir)}/{DRAFT}{model_id}-v{versions.embeddings}",
        model_id=model_id,
        table_version=versions.embeddings,
        photos_version=versions.photos,
        transactions=versions.transactions,
        key=str(key),
        rows=size.rows,
        dimension=size.dimension,
        id_bytes=size.id_bytes,
        shards=count_shards(tables, size.rows, memory),
        part_bytes=memory.part_bytes,
        sample_rows=memory.sample_rows,
        points_per_list=config.points_per_list,
        queries=queries,
        k=config.k,
        seed=config.seed,
        devices=config.devices,
        asked=asked,
    )


def _choose_key(config: BuildIndex, size: Size, trained: int) -> IndexKey:
    if config.index_key != "auto":
        return IndexKey.parse(config.index_key)
    budget = config.bytes_per_vector
    if config.max_index_gib:
        share = config.max_index_gib * GIB / size.rows
        budget = min(budget, share) if budget else share
    return choose_key(size.rows, trained, size.dimension, budget, config.recall_target)
