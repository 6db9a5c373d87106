"""Tables of queries that users bring to find_neighbours."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, NumericType

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
        InputError: it lacks a column, or has no embedding of this length.
    """
    table = open_user_table(tables.spark, name, "find_neighbours.queries", is_name=False)
    missing = {"query_id", "embedding"} - set(table.columns)
    if missing:
        raise InputError(
            f"find_neighbours.queries: {name} lacks {', '.join(sorted(missing))}; it has "
            f"{', '.join(table.columns)}"
        )
    kind = table.schema["embedding"].dataType
    if not (isinstance(kind, ArrayType) and isinstance(kind.elementType, NumericType)):
        raise InputError(
            f"find_neighbours.queries: embedding of {name} is {kind.simpleString()}, want an array "
            "of numbers"
        )
    queries = table.select(
        F.col("query_id").cast("string"), F.col("embedding").cast("array<float>")
    ).where("query_id IS NOT NULL")
    if queries.where(F.size("embedding") == dimension).isEmpty() and (row := queries.first()):
        got = "null" if row["embedding"] is None else f"{len(row['embedding'])} numbers"
        raise InputError(
            f"find_neighbours.queries: no embedding of {name} has the {dimension} numbers of "
            f"{searched}; the first is {got}: embed the queries by the same model"
        )
    return queries
