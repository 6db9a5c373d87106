"""NEIGHBOURS: the rows of one set of queries are replaced at a time."""

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.platform.literal_paths import text_in_sql
from devise_lib.spark.tables.delta_tables import Tables

# What a search gives, as Spark and as Arrow name it.
RANKED = "photo_id string, neighbour_id string, rank int, score float"
RANKED_SCHEMA = pa.schema(
    [
        *(("photo_id", pa.string()), ("neighbour_id", pa.string())),
        *(("rank", pa.int32()), ("score", pa.float32())),
    ]
)


def replace_neighbours(
    tables: Tables,
    ranked: DataFrame,
    model_id: str,
    source: str,
    query_set: str,
    asked: tuple[str, int],
) -> dict[str, int]:
    """Replace the rows of a model's set of queries in NEIGHBOURS, in one commit.

    Args:
        tables: with NEIGHBOURS.
        ranked: photo_id, neighbour_id, rank and score.
        model_id: of the embeddings.
        source: the index bundle, or the hash, that found them.
        query_set: of the queries; "" for all photos.
        asked: the kind of the queries, and their number.

    Returns:
        The rows, the queries that have neighbours, and those that have none, if any.
    """
    kind, number = asked
    about = {"model_id": model_id, "source": source, "query_set": query_set or None}
    rows = ranked.withColumns({k: F.lit(value).cast("string") for k, value in about.items()})
    of_set = F.col("query_set") == query_set if query_set else F.col("query_set").isNull()
    same = f"query_set = {text_in_sql(query_set)}" if query_set else "query_set IS NULL"
    count = tables.overwrite("neighbours", rows, where=f"model_id = '{model_id}' AND {same}")
    first = tables.of_model("neighbours", model_id).where(of_set).where("rank = 1")
    found = {"neighbours": count, kind: first.count()}
    without = number - found[kind]
    return found | ({f"{kind} without a neighbour": without} if without > 0 else {})
