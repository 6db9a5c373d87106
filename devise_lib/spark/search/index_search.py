"""Searches a published index for all photos or for a table of queries, in tasks that may be killed.

The queries are spread over tasks by their ids. Each task opens the index, memory-mapped (a machine
copies one of a store once), and leaves a file with its results and a marker. A run that was killed
goes on with the tasks that have none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.sql import DataFrame

from devise_lib.config.search import FindNeighbours
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.index.building.arrays import StoredArray, save_array
from devise_lib.index.building.intake import take_in
from devise_lib.index.building.plan import Plan, shard_count
from devise_lib.index.building.training import set_threads
from devise_lib.index.bundle import Bundle, drop_drafts, index_root, read_bundle
from devise_lib.index.gpu import gpu_count, takes_gpus
from devise_lib.index.reader import SearchIndex
from devise_lib.index.selection import Among
from devise_lib.spark.platform.literal_paths import read_parquet
from devise_lib.spark.platform.stores import spark_path
from devise_lib.spark.search.index_plan import CODE
from devise_lib.spark.search.index_steps import drop_damaged
from devise_lib.spark.search.indexed_photos import read_ids
from devise_lib.spark.search.spreading import by_shard, place_of_column, spread
from devise_lib.spark.search.step_runner import Batches, Cost, StepRunner
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, data_faults_told, photos_that
from devise_lib.spark.tables.neighbours_table import RANKED, RANKED_SCHEMA
from devise_lib.storage.copies import write_hashed

DRAFT = ".search-"  # how the folder of an unfinished search begins
AMONG = "among"  # the step that finds which rows may be neighbours
QUERIES_AT_ONCE = 1_024


@dataclass(frozen=True)
class SearchPlan(Plan):
    """A search of an index.

    Attributes:
        bundle: its folder.
        queries: the table of the queries and its version, for the digest.
        k: the number of neighbours.
        among: the condition that neighbours fulfil; "" for none.
        photos: the version of PHOTOS for the condition, and what tells its table.
        devices: "auto" searches on the GPU that Spark gave a task; "gpu", "cpu".
        tasks: their number, a power of two.
        code: the versions of FAISS and of this package.
    """

    bundle: str
    queries: str
    k: int
    among: str
    photos: str
    devices: str
    tasks: int
    code: str


def find_nearest(
    tables: Tables,
    config: FindNeighbours,
    bundle: Bundle,
    queries: DataFrame,
    source: str,
    versions: Versions,
) -> tuple[DataFrame, str]:
    """Find the k photos of an index nearest to each query.

    Equal scores are ordered by neighbour_id. A query does not find the photo of its own id.

    Args:
        tables: with PHOTOS, for the condition that neighbours fulfil.
        config: of the job.
        bundle: the index.
        queries: query_id, embedding.
        source: changes whenever the queries do.
        versions: of the tables.

    Returns:
        photo_id (of the query), neighbour_id, rank, score; and the folder of these rows, which the
        caller removes.
    """
    tasks = shard_count(queries.count(), config.task_rows, 1)
    plan = SearchPlan(
        folder=f"{index_root(config.work_dir)}/{DRAFT}{bundle.name}",
        bundle=bundle.folder,
        queries=source,
        k=config.k,
        among=config.among,
        photos=f"{versions.photos} {versions.transactions}" if config.among else "",
        devices=config.devices,
        tasks=tasks,
        code=CODE,
    )
    drop_drafts(index_root(config.work_dir), DRAFT, keep=plan.folder)  # of older bundles
    runner = StepRunner(tables.spark, bundle.manifest.dimension, config.name)
    results = [result_name(number) for number in range(tasks)]
    drop_damaged(runner, plan, [[AMONG], results] if config.among else [results])
    if config.among and plan.done(AMONG) is None:
        rows = allowed_rows(tables, bundle, config.among, versions.photos)
        _find_allowed(runner, plan, rows, bundle.manifest.rows)
    missing = [n for n in range(tasks) if plan.done(result_name(n)) is None]
    if len(missing) < tasks:
        print_line(f"{config.name}  goes on: {tasks - len(missing)} of {tasks} tasks are done")
    if missing:
        placed = queries.withColumn("place", place_of_column("query_id"))
        runner.over("search", spread(placed, tasks, missing), partial(_search_shards, plan))
    done = [plan.done(result_name(number)) for number in range(tasks)]
    files = [plan.path(path) for each in done if each for path in each.files]
    if not files:  # No query could be searched.
        return tables.spark.createDataFrame([], RANKED), plan.folder
    return read_parquet(tables.spark, *(spark_path(tables.spark, f) for f in files)), plan.folder


def allowed_rows(tables: Tables, bundle: Bundle, among: str, version: int) -> DataFrame:
    """Return the rows of an index whose photos fulfil a condition on a version of PHOTOS, at their
    newest revision.

    Raises:
        InputError: the condition is no SQL on columns of PHOTOS.
    """
    chosen = photos_that(tables, among, version)
    return read_ids(tables.spark, bundle).join(chosen, "photo_id", "left_semi").select("row")


def _find_allowed(runner: StepRunner, plan: SearchPlan, rows: DataFrame, count: int) -> None:
    """Write which of the `count` rows of the index may be neighbours."""
    write = partial(_write_among, plan, count)
    with data_faults_told(plan.among):
        runner.over(AMONG, rows.repartition(1), write)
    if plan.done(AMONG) is None:  # No photo fulfils the condition, so there was no task.
        runner.one(AMONG, lambda: list(write(iter([]))))


def result_name(number: int) -> str:
    """Return the name of the step that searches for one part of the queries."""
    return f"results/{number:06d}"


def _write_among(plan: SearchPlan, rows: int, batches: Batches) -> Iterator[Cost]:
    """Write a boolean for each row of the index."""
    with Cost(1) as cost:
        allowed = np.zeros(rows, np.bool_)
        for batch in batches:
            allowed[batch["row"].to_numpy()] = True
        path = f"{AMONG}.npy"
        plan.finish(AMONG, {path: save_array(plan.path(path), np.packbits(allowed))}, {})
    yield cost


def _search_shards(plan: SearchPlan, batches: Batches) -> Iterator[Cost]:
    """Search for the queries of a partition."""
    set_threads(1)  # There is a process per core.
    index = read_bundle(plan.bundle).open()
    index.use_gpu(None if plan.among else _choose_gpu(index, plan.devices))  # A GPU has no filters.
    among = None
    if plan.among:
        packed = StoredArray.open(plan.path(f"{AMONG}.npy"))
        bits = np.unpackbits(packed.rows(0, packed.shape[0]), count=index.manifest.rows)
        among = index.only(bits.astype(np.bool_))
    for number, group in groupby(by_shard(batches), key=itemgetter(0)):
        with Cost(1) as cost:
            name = result_name(number)
            path = f"{name}.parquet"
            parts = (part for rows in _once(rows for _, rows in group) for part in _pieces(rows))
            found = (_search(index, part, plan.k, among) for part in parts)
            written = write_hashed(plan.path(path), partial(_write_parquet, found))
            plan.finish(name, {path: written}, {})
        yield cost


def _choose_gpu(index: SearchIndex, devices: str) -> int | None:
    """Return the GPU that Spark gave this task, if it can search the index.

    Raises:
        InputError: `devices` is "gpu", and the task has none, or the index is of another kind.
    """
    task = TaskContext.get()
    given = task.resources().get("gpu") if task else None
    wanted = devices == "gpu" or (devices == "auto" and given is not None)
    if not wanted or not takes_gpus(devices):
        return None
    if index.fits_gpu:
        # Spark may show a task its own GPU alone; its number is then 0.
        address = int(given.addresses[0]) if given else 0
        return address if address < gpu_count() else 0
    if devices == "gpu":
        raise InputError(
            f"find_neighbours.devices is gpu, but faiss searches {index.manifest.index_key} on no "
            'GPU, nor an index with removed rows: set devices = "auto", or build an index of Flat, '
            "SQ or PQ codes without refinement"
        )
    return None


def _once(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yields the first row of each query_id; a table may have one twice."""
    seen: set[str] = set()
    for batch in batches:
        names = batch["query_id"].to_pylist()
        first = [name not in seen and not seen.add(name) for name in names]  # type: ignore[func-returns-value]
        yield batch if all(first) else batch.filter(pa.array(first))


def _pieces(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), QUERIES_AT_ONCE):
        yield rows.slice(start, QUERIES_AT_ONCE)


def _write_parquet(found: Iterator[pa.RecordBatch], file: BinaryIO) -> None:
    with pq.ParquetWriter(file, RANKED_SCHEMA) as writer:
        for batch in found:
            writer.write_batch(batch)


def _search(
    index: SearchIndex, queries: pa.RecordBatch, k: int, among: Among | None
) -> pa.RecordBatch:
    taken = take_in(queries["query_id"], queries["embedding"], index.manifest.dimension)
    wanted = min(k + 1, index.manifest.n)  # one more, because a photo finds itself
    found = index.search(taken.vectors, wanted, among=among)
    own = queries["query_id"].take(pa.array(taken.kept))
    return best_others(own, index.photo_ids(found.rows), found.scores, k)


def best_others(
    own: pa.StringArray, found: NDArray[np.str_], scores: NDArray[np.float32], k: int
) -> pa.RecordBatch:
    """Return photo_id, neighbour_id, rank and score of the best k other photos of each query.

    Equal scores are ordered by neighbour_id. Rounding may lift a cosine above 1, which no reader
    expects, so scores are limited to [-1, 1].

    Args:
        own: (q,), the photo_id of each query, which is not among its own neighbours.
        found: (q, any), photo_ids; "" where none was found.
        scores: of the same shape.
        k: the most neighbours of a photo.
    """
    names = np.array(own.to_pylist(), dtype=object)
    counts = (found != "") & (found != names[:, None])
    order = np.lexsort((found.astype(np.str_), -scores, ~counts), axis=1)[:, :k]
    rows, ranks = np.nonzero(np.take_along_axis(counts, order, axis=1))
    columns = order[rows, ranks]
    return pa.RecordBatch.from_pydict(
        {
            "photo_id": own.take(pa.array(rows)),
            "neighbour_id": pa.array(found[rows, columns].tolist(), pa.string()),
            "rank": pa.array(ranks + 1, pa.int32()),
            "score": pa.array(np.clip(scores[rows, columns], -1, 1), pa.float32()),
        },
        schema=RANKED_SCHEMA,
    )
