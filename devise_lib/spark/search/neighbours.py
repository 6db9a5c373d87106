"""NEIGHBOURS by the index: the k photos nearest to each photo, or to each query of a table."""

from pyspark.sql import functions as F

from devise_lib.config.search import FindNeighbours
from devise_lib.errors import InputError
from devise_lib.index.bundle import read_current
from devise_lib.spark.search.index_search import find_nearest
from devise_lib.spark.search.indexed_photos import read_ids
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.embedded_photos import Versions, embeddings_of
from devise_lib.spark.tables.neighbours_table import replace_neighbours
from devise_lib.spark.tables.query_tables import open_queries
from devise_lib.storage.stores import clean_up


def write_by_index(tables: Tables, config: FindNeighbours, model_id: str) -> dict[str, int]:
    """Replace the rows of these queries in NEIGHBOURS, in one commit.

    Returns:
        The rows, the queries that have neighbours, and what is left out.

    Raises:
        InputError: there is no photo or query, the index is of another model, or the condition on
            neighbours is no SQL.
    """
    versions = Versions.newest(tables)
    embeddings = embeddings_of(tables, model_id, versions)
    photos = embeddings.select("photo_id").distinct().count()
    if not photos:
        raise InputError(f"EMBEDDINGS has no photo of model {model_id}: run embed_photos with it")
    bundle = read_current(config.work_dir)
    bundle.require_model(model_id)
    if config.queries:
        queries = open_queries(
            tables, config.queries, bundle.manifest.dimension, f"the index {bundle.name}"
        )
        content = F.sum(F.xxhash64("query_id", "embedding").cast("decimal(38,0)"))
        count = F.count_distinct("query_id").alias("n")
        [row] = queries.agg(count, content.alias("content")).collect()
        if not row["n"]:
            raise InputError(f"find_neighbours.queries: {config.queries} has no row")
        asked, source = row["n"], f"{config.queries} {row['content']}"
    else:
        queries = embeddings.select(F.col("photo_id").alias("query_id"), "embedding")
        asked, source = photos, f"embeddings {versions}"
    nearest, folder = find_nearest(tables, config, bundle, queries, source, versions)
    query_set = config.queries
    if config.among:
        query_set = f"{config.queries or 'photos'} among {config.among}"
    of = ("queries" if config.queries else "photos", asked)
    rows = replace_neighbours(tables, nearest, model_id, bundle.name, query_set, of)
    clean_up(folder)
    if bundle.manifest.table_version != versions.embeddings:
        ids = read_ids(tables.spark, bundle)
        newer = embeddings.join(ids, "photo_id", "left_anti").count()
        rows |= {"photos not in the index": newer} if newer else {}
    return rows
