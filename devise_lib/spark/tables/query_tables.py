"""Tables of queries that users bring to find_neighbours."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.user_tables import open_user_table


def open_queries(tables: Tables, name: str, dimension: int, searched: str) -> DataFrame:
    """Return query_id and embedding of a user's table of queries.

    Args:
        tables: give the session.
        name: the value of find_neighbours.queries.
        dimension: the length of the embeddings that are searched.
        searched: the index or hash that searches them, for the error.

    Raises:
        InputError: it lacks a column, or no embedding has the length of the index.
    """
    table = open_user_table(tables.spark, name, "find_neighbours.queries", is_name=False)
    missing = {"query_id", "embedding"} - set(table.columns)
    if missing:
        raise InputError(
            f"find_neighbours.queries: {name} lacks {', '.join(sorted(missing))}; it has "
            f"{', '.join(table.columns)}"
        )
    queries = table.select(
        F.col("query_id").cast("string"), F.col("embedding").cast("array<float>")
    ).where("query_id IS NOT NULL")
    if queries.where(F.size("embedding") == dimension).isEmpty() and not queries.isEmpty():
        raise InputError(
            f"find_neighbours.queries: no embedding of {name} has the {dimension} "
            f"numbers of {searched}"
        )
    return queries
