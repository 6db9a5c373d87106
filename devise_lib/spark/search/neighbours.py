"""NEIGHBOURS: the k photos nearest to each photo or query, by the index or by the signatures."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.config.search import FindNeighbours
from devise_lib.errors import InputError
from devise_lib.index.bundle import Bundle, read_current
from devise_lib.spark.platform.literal_paths import text_in_sql
from devise_lib.spark.search.index_search import find_nearest
from devise_lib.spark.search.indexed_photos import Versions, embeddings_of, read_ids
from devise_lib.spark.search.lsh import nearest_in_buckets
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.user_tables import open_user_table
from devise_lib.storage.stores import clean_up


def write_neighbours(tables: Tables, config: FindNeighbours, model_id: str) -> dict[str, int]:
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
    if config.via == "signatures":
        if config.queries or config.among:
            raise InputError('find_neighbours.queries and among want via = "index"')
        found = by_signatures(tables, embeddings, model_id, config.k, config.max_bucket)
        return _replace(tables, found, model_id, "", ("photos", photos))
    bundle = read_current(config.work_dir)
    bundle.require_model(model_id)
    if config.queries:
        queries = _open_queries(tables, config, bundle)
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
    about = {"model_id": model_id, "source": bundle.name, "query_set": query_set or None}
    columns = {name: F.lit(value).cast("string") for name, value in about.items()}
    kind = "queries" if config.queries else "photos"
    rows = _replace(tables, nearest.withColumns(columns), model_id, query_set, (kind, asked))
    clean_up(folder)
    if bundle.manifest.table_version != versions.embeddings:
        ids = read_ids(tables.spark, bundle)
        newer = embeddings.join(ids, "photo_id", "left_anti").count()
        rows |= {"photos not in the index": newer} if newer else {}
    return rows


def _open_queries(tables: Tables, config: FindNeighbours, bundle: Bundle) -> DataFrame:
    """Return query_id and embedding of a user's table.

    Raises:
        InputError: it lacks a column, or no embedding has the length of the index.
    """
    table = open_user_table(tables.spark, config.queries, "find_neighbours.queries", is_name=False)
    missing = {"query_id", "embedding"} - set(table.columns)
    if missing:
        raise InputError(
            f"find_neighbours.queries: {config.queries} lacks {', '.join(sorted(missing))}; it has "
            f"{', '.join(table.columns)}"
        )
    dimension = bundle.manifest.dimension
    queries = table.select(
        F.col("query_id").cast("string"), F.col("embedding").cast("array<float>")
    ).where("query_id IS NOT NULL")
    if queries.where(F.size("embedding") == dimension).isEmpty() and not queries.isEmpty():
        raise InputError(
            f"find_neighbours.queries: no embedding of {config.queries} has the {dimension} "
            f"numbers of the index {bundle.name}"
        )
    return queries


def _replace(
    tables: Tables, rows: DataFrame, model_id: str, query_set: str, asked: tuple[str, int]
) -> dict[str, int]:
    """Replace the rows of a set; `asked` is the kind and the number of its queries."""
    kind, number = asked
    of_set = F.col("query_set") == query_set if query_set else F.col("query_set").isNull()
    quoted = text_in_sql(query_set) if query_set else ""
    same = f"query_set = {quoted}" if query_set else "query_set IS NULL"
    count = tables.overwrite("neighbours", rows, where=f"model_id = '{model_id}' AND {same}")
    first = tables.of_model("neighbours", model_id).where(of_set).where("rank = 1")
    found = {"neighbours": count, kind: first.count()}
    without = number - found[kind]
    return found | ({f"{kind} without a neighbour": without} if without > 0 else {})


def by_signatures(
    tables: Tables, embeddings: DataFrame, model_id: str, k: int, max_bucket: int
) -> DataFrame:
    """Return NEIGHBOURS of the photos of a model among those that share a bucket with them.

    A photo that is alone in all its buckets has none.

    Args:
        tables: with SIGNATURES.
        embeddings: the rows of EMBEDDINGS that count.
        model_id: of these.
        k: neighbours per photo.
        max_bucket: photos that one photo is compared with in one bucket.

    Raises:
        InputError: SIGNATURES has no photo of the model.
    """
    signatures = tables.of_model("signatures", model_id)
    first = signatures.first()
    if first is None:
        raise InputError(
            f"SIGNATURES has no photo of model {model_id}: run build_signatures with it"
        )
    signatures = signatures.join(embeddings.select("photo_id"), "photo_id", "left_semi")
    pairs = nearest_in_buckets(embeddings, signatures, k, max_bucket)
    once = pairs.groupBy("photo_id", "neighbour_id").agg(F.max("score").alias("score"))
    return rank(once, k, model_id, first["hash_id"])


def rank(pairs: DataFrame, k: int, model_id: str, source: str) -> DataFrame:
    """Return NEIGHBOURS from distinct pairs (photo_id, neighbour_id, score), with ranks 1 to k.

    Equal scores are ordered by neighbour_id. A photo is not its own neighbour. Rounding may lift a
    cosine above 1, which no reader expects, so scores are limited to [-1, 1].
    """
    best_first = Window.partitionBy("photo_id").orderBy(F.desc("score"), "neighbour_id")
    return (
        pairs.where("photo_id != neighbour_id")
        .withColumn("rank", F.row_number().over(best_first))
        .where(F.col("rank") <= k)
        .select(
            "photo_id",
            "neighbour_id",
            "rank",
            F.greatest(F.least("score", F.lit(1.0)), F.lit(-1.0)).cast("float").alias("score"),
            F.lit(model_id).alias("model_id"),
            F.lit(source).alias("source"),
            F.lit(None).cast("string").alias("query_set"),
        )
    )
