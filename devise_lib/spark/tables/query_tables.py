"""Tables that users bring to a search: queries, galleries, assignments."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
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


def open_examples(
    tables: Tables,
    name: str,
    key: str,
    owner: str,
    optional: Mapping[str, str],
    *,
    needs_photos: bool,
) -> DataFrame:
    """Return a user's table of photos that belong to something, such as galleries.

    Args:
        tables: give the session, and PHOTOS to look up paths.
        name: of the user's table.
        key: of the configuration that gives the name, for errors.
        owner: the column with the id of what a photo belongs to, such as "gallery_id".
        optional: columns that the table may have, and their types in SQL. A column is null where
            the table lacks it.
        needs_photos: whether a table without photos is refused.

    Returns:
        The columns `owner` and `photo_id` (texts), those of `optional`, and `wrong`: the names and
        values of columns that are not of the type, joined; null where all are right. Where no photo
        has a path, the path stands for its photo_id. So it is told like an unknown id.

    Raises:
        InputError: there is no such table, it lacks a column, or has no row.
    """
    table = open_user_table(tables.spark, name, key, is_name=False)
    photo = next((column for column in ("photo_id", "path") if column in table.columns), "")
    missing = {owner} - set(table.columns)
    if needs_photos and not photo:
        missing.add("photo_id (or path)")
    if missing:
        raise InputError(
            f"{key}: {name} lacks {', '.join(sorted(missing))}; it has {', '.join(table.columns)}"
        )
    if table.isEmpty():
        raise InputError(f"{key}: {name} has no row")
    columns = {owner: F.col(owner), "photo_id": F.col(photo) if photo else F.lit(None)}
    columns = {column: value.cast("string") for column, value in columns.items()}
    wrong: list[Column] = []
    for column, kind in optional.items():
        given = F.col(column) if column in table.columns else F.lit(None)
        columns[column] = given.try_cast(kind)
        said = F.concat(F.lit(f"{column} = "), given.cast("string"))
        wrong.append(F.when(given.isNotNull() & columns[column].isNull(), said))
    columns["wrong"] = F.nullif(F.concat_ws(", ", *wrong), F.lit(""))
    rows = table.select(*(value.alias(column) for column, value in columns.items()))
    return _with_ids(tables, rows) if photo == "path" else rows


def _with_ids(tables: Tables, rows: DataFrame) -> DataFrame:
    """Return rows whose photos are named by their paths with the ids of these."""
    tables.require("photos")
    photos = tables.read("photos").groupBy("path").agg(F.max("photo_id").alias("found"))
    both = rows.join(photos, rows["photo_id"] == photos["path"], "left")
    return both.withColumn("photo_id", F.coalesce("found", "photo_id")).drop("found", "path")
