"""NEIGHBOURS by signatures: the k photos nearest to each photo, or to each query of a table."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.search import FindNeighbours
from devise_lib.errors import InputError
from devise_lib.spark.lsh.candidates import Join, compared, find_candidates, find_salt, key_of
from devise_lib.spark.lsh.code_ranges import count_queries, find_ranges
from devise_lib.spark.lsh.hashes import StoredHash, read_hash
from devise_lib.spark.lsh.ranking import rank_candidates, with_found
from devise_lib.spark.lsh.recall import measure_recall
from devise_lib.spark.lsh.signing import ROWS_AT_ONCE, require_dimension
from devise_lib.spark.platform.session import arrow_rows
from devise_lib.spark.tables.caching import Persist, PersistScope
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import (
    Versions,
    data_faults_told,
    embeddings_of,
    photos_that,
)
from devise_lib.spark.tables.neighbours_table import RANKED, replace_neighbours
from devise_lib.spark.tables.query_tables import open_queries

SPARE = 5  # candidates beyond k, at least, that are ranked exactly


@dataclass(frozen=True)
class SearchSettings:
    """How neighbours are found.

    Attributes:
        k: neighbours of a query.
        max_bucket: photos of one bucket with which a query is compared.
        probes: buckets per table that a query is looked up in.
        seed: of the samples of too large buckets.
    """

    k: int
    max_bucket: int
    probes: int
    seed: int


@dataclass(frozen=True)
class Searched:
    """The photos among which neighbours are found.

    Attributes:
        photos: photo_id, embedding; each photo once.
        found_by: their hash.
    """

    photos: DataFrame
    found_by: StoredHash


def write_by_signatures(
    tables: Tables, config: FindNeighbours, model_id: str
) -> tuple[dict[str, int], float | None]:
    """Replace the rows of these queries in NEIGHBOURS, in one commit.

    Returns:
        The rows, the queries that have neighbours, and what was compared; the recall, if measured.

    Raises:
        InputError: there is no photo, query or hash, or the condition on neighbours is no SQL.
    """
    versions = Versions.newest(tables)
    embeddings = embeddings_of(tables, model_id, versions).select("photo_id", "embedding")
    number, dimension = require_dimension(embeddings, model_id)
    found_by = read_hash(tables, model_id)
    photos, queries, kind = embeddings, None, "photos"
    if config.among:
        fulfilling = photos_that(tables, config.among, versions.photos)
        photos, queries = embeddings.join(fulfilling, "photo_id", "left_semi"), embeddings
    if config.queries:
        about = (found_by.hash.dimension, f"the hash {found_by.hash_id}")
        asked = open_queries(tables, config.queries, *about).dropDuplicates(["query_id"])
        queries, kind = asked.withColumnRenamed("query_id", "photo_id"), "queries"
        number = queries.count()
        if not number:
            raise InputError(f"find_neighbours.queries: {config.queries} has no row")
    query_set = config.queries
    if config.among:
        query_set = f"{config.queries or 'photos'} among {config.among}"
    how = SearchSettings(config.k, config.max_bucket, config.probes, config.seed)
    found = None
    if config.keep_found and tables.exists("neighbours"):
        before = tables.of_model("neighbours", model_id)
        found = before.where(F.col("query_set").eqNullSafe(F.lit(query_set or None)))
    with (
        PersistScope() as persist,
        arrow_rows(tables.spark, ROWS_AT_ONCE),
        data_faults_told(config.among),
    ):
        ranked, work = find_neighbours(queries, Searched(photos, found_by), how, persist, found)
        of = (kind, number)
        rows = replace_neighbours(tables, ranked, model_id, found_by.hash_id, query_set, of)
        recall = None
        if config.recall_queries and not query_set:
            written = tables.of_model("neighbours", model_id).where("query_set IS NULL")
            sample = (config.recall_queries, config.k, config.seed)
            recall = measure_recall(photos, written, dimension, *sample)
    return rows | work, recall


def find_neighbours(
    queries: DataFrame | None,
    searched: Searched,
    how: SearchSettings,
    persist: Persist,
    found: DataFrame | None = None,
) -> tuple[DataFrame, dict[str, int]]:
    """Find the k nearest photos that share the beginning of a code with each query.

    Each query gets k photos wherever k others exist, because every bucket holds more than k. A
    query does not find the photo of its own id.

    Args:
        queries: photo_id, embedding; None for the photos themselves.
        searched: the photos.
        how: they are found.
        persist: keeps the candidates until the rows are read.
        found: photo_id and neighbour_id of an earlier run, which compete; None for none.

    Returns:
        photo_id, neighbour_id, rank, score; and what was compared. With several probes the
        candidates are not counted.
    """
    made, salt = searched.found_by.hash, find_salt(searched.photos)
    least, most = how.k + 1, max(how.max_bucket, how.k + 1)
    ranges = find_ranges(searched.photos, made, least, most)
    if ranges.is_empty:  # No photo fulfils the condition, or none has a direction.
        return searched.photos.sparkSession.createDataFrame([], RANKED), {"candidates scored": 0}
    if queries is not None:
        ranges = count_queries(queries, made, ranges)
    # Ranges may hold a little more than `most`, which is no reason to sample them.
    compares = most + 2 * least
    keep = how.k + max(SPARE, how.k // 2)
    join = Join(made.to_bytes(), ranges, compares, keep, how.probes, how.seed)
    photos = searched.photos.withColumn("key", key_of("photo_id", salt))
    asked = photos if queries is None else queries.withColumn("key", key_of("photo_id", salt))
    itself = queries is None and how.probes == 1
    merged = find_candidates(asked, None if itself else photos, join)
    if found is not None:
        merged = with_found(merged, found, salt)
    ranked = rank_candidates(merged, asked, photos, how.k, made.dimension, persist)
    cost = compared(ranges, compares)
    if how.probes > 1:  # Which buckets they are is known to the tasks alone.
        del cost["candidates scored"]
    return ranked, cost
