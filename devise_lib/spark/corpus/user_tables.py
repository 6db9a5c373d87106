"""The sources of SENTENCES: ARTICLES, or a user's table of texts or of tags."""

import re
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.spark.tables.user_tables import open_user_table


def running_text(articles: DataFrame) -> DataFrame:
    """Return page_id and text of all articles but redirects and disambiguation pages."""
    return articles.where(~_is_redirect() & ~_is_disambiguation()).select("page_id", "text")


def count_left_out(articles: DataFrame) -> dict[str, int]:
    """Count the redirects and disambiguation pages; a redirect counts as nothing else."""
    reasons = {
        "redirect": _is_redirect(),
        "disambiguation": ~_is_redirect() & _is_disambiguation(),
    }
    [row] = articles.agg(*(F.count_if(c).alias(name) for name, c in reasons.items())).collect()
    return {name: int(row[name]) for name in reasons}


def _is_redirect() -> Column:
    return F.col("redirect").isNotNull()


def _is_disambiguation() -> Column:
    return F.coalesce(F.col("is_disambiguation"), F.lit(False))


def read_source(spark: SparkSession, source: str, is_table: bool) -> DataFrame:
    """Return the table of `prepare_corpus.source`, which is a name or a path.

    Raises:
        InputError: there is no such table.
    """
    return open_user_table(spark, source, "prepare_corpus.source", is_name=is_table)


def read_texts(table: DataFrame, id_column: str, text_column: str) -> DataFrame:
    """Return the texts of a user's table as page_id and text, each id once.

    Raises:
        InputError: a column is missing, the text is no string, or an id is null or occurs twice.
    """
    _require_columns(table, {"id_column": id_column, "text_column": text_column})
    kind = table.schema[text_column].dataType.simpleString()
    if kind != "string":
        raise InputError(
            f"prepare_corpus.text_column {text_column!r} is {kind}, want string: give the column "
            'of the text, or kind = "tags" for lists of tags'
        )
    texts = table.select(
        F.col(id_column).cast("string").alias("page_id"),
        F.coalesce(F.col(text_column), F.lit("")).alias("text"),
    )
    _require_ids(texts, id_column)
    return texts


def read_tags(
    table: DataFrame, id_column: str, tags_column: str, separator: str, owner_column: str
) -> DataFrame:
    """Return the tags of a user's table: page_id, owner, tags (array of strings), each id once.

    Args:
        table: one row per photo.
        id_column: its ids, of any type.
        tags_column: an array of strings, or a string to split at `separator`.
        separator: "" for an array.
        owner_column: the photo's owner; "" for none, then `owner` is null.

    Raises:
        InputError: a column is missing or has another type, or an id is null or occurs twice.
    """
    wanted = {"id_column": id_column, "tags_column": tags_column, "owner_column": owner_column}
    _require_columns(table, {key: name for key, name in wanted.items() if name})
    kind = table.schema[tags_column].dataType.simpleString()
    if kind != ("string" if separator else "array<string>"):
        raise InputError(
            f"prepare_corpus.tags_column {tags_column!r} is {kind}: want array<string>, or string "
            f"with prepare_corpus.tag_separator, which is {separator!r}"
        )
    tags = F.col(tags_column)
    if separator:
        tags = F.split(tags, re.escape(separator))  # Spark takes a pattern.
    owner = F.col(owner_column).cast("string") if owner_column else F.lit(None).cast("string")
    photos = table.select(
        F.col(id_column).cast("string").alias("page_id"),
        owner.alias("owner"),
        tags.alias("tags"),
    )
    _require_ids(photos, id_column)
    return photos


def _require_columns(table: DataFrame, wanted: dict[str, str]) -> None:
    faults = [f"{key} is {name!r}" for key, name in wanted.items() if name not in table.columns]
    if faults:
        raise InputError(
            f"prepare_corpus.{' and '.join(faults)}, but the source has the columns "
            f"{_listed(table.columns)}: give one of these"
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:40])
    return shown if len(names) <= 40 else f"{shown} and {len(names) - 40} more"


def _require_ids(rows: DataFrame, id_column: str) -> None:
    """Raise InputError unless each id names one row; near-duplicates are identified by it."""
    counts = rows.groupBy("page_id").count()
    faulty = counts.where(F.col("page_id").isNull() | (F.col("count") > 1)).limit(1).collect()
    if faulty:
        found, times = faulty[0]
        raise InputError(
            f"prepare_corpus.id_column {id_column!r} holds {found or 'null'!r} in {times:,} rows, "
            "but every row must have an id of its own"
        )
