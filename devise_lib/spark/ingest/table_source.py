"""Sources that are tables of users, with photos' bytes or with the paths of photos."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from devise_lib.config.photos import PhotoSource
from devise_lib.errors import InputError
from devise_lib.photo_limits import READ_TIMEOUT_S
from devise_lib.spark.ingest.rows import LISTED, Frames, make_photo_id, microseconds
from devise_lib.spark.ingest.sources import Place, as_label, make_describer
from devise_lib.spark.photos.reading import look_at
from devise_lib.spark.tables.user_tables import open_user_table
from devise_lib.storage.files import Files, FileStatus
from devise_lib.vision.archives.tar_photos import MEMBER
from devise_lib.vision.prefetch import PrefetchLimits, prefetch_map

USABLE = {  # column -> the types that it may have, in Spark's words
    "path": ("string",),
    "content": ("binary",),
    "id": ("string", "bigint", "int", "smallint", "tinyint"),
    "label": ("string", "bigint", "int", "smallint", "tinyint"),
    "owner": ("string", "bigint", "int", "smallint", "tinyint"),
    "modified": ("timestamp", "timestamp_ntz", "date"),
}
LOOKS_AT_ONCE, PREFETCH_ROWS = 16, 1_000  # per task, for the files at paths
KEY = "photo_key"  # identifies a photo within its table


def find_table(spark: SparkSession, source: PhotoSource) -> Place:
    """Find a source that is a table. Its photos may lie anywhere.

    Raises:
        InputError: the table or a column is missing or cannot be used.
    """
    _open(spark, source)
    return Place(source)


def list_table(spark: SparkSession, place: Place) -> DataFrame:
    """Return every photo of a table that the source takes, as rows of LISTED.

    What shows whether a photo has changed depends on the table:

    | the table has | a change shows in |
    |---|---|
    | the column `modified` | this time |
    | the photos' bytes | their digest |
    | paths only | size and time of the file at the path; null if there is none |

    Raises:
        InputError: the table or a column is missing or cannot be used, or a row has no key.
    """
    source, columns = place.source, place.source.columns
    table = _open(spark, source)
    size, modified_us, digest = F.lit(None), F.lit(None), F.lit(None)
    if columns.modified:
        modified_us = F.unix_micros(F.col("modified").cast("timestamp"))
    elif columns.content:
        size, digest = F.length("content"), F.sha2("content", 256)
    wanted = {
        KEY: _key(source),
        "path": _text(columns.path, "path"),
        "label": _text(columns.label, "label"),
        "owner": _text(columns.owner, "owner"),
        "size_bytes": size.cast("long"),
        "modified_us": modified_us.cast("long"),
        "sha256": digest.cast("string"),
    }
    rows = table.select(*(column.alias(name) for name, column in wanted.items()))
    nameless = rows.where(F.col(KEY).isNull()).limit(1).count()
    if nameless:
        raise InputError(
            f"ingest_photos.source: {source.path} has rows without {_key_name(source)!r}, "
            "which identifies its photos"
        )
    look = not columns.modified and not columns.content
    rows = rows.repartition(4 * spark.sparkContext.defaultParallelism) if look else rows
    return rows.mapInPandas(_describer(place, look), LISTED)


def with_content(spark: SparkSession, source: PhotoSource, items: DataFrame) -> DataFrame:
    """Return rows of LISTED with the table's bytes as `content`. The table is read once."""
    content = F.coalesce(F.col("content"), F.lit(b"")).alias("content")
    table = _open(spark, source).select(_photo_id(source).alias("photo_id"), content)
    return table.join(F.broadcast(items), "photo_id")


def duplicate_rows_error(spark: SparkSession, source: PhotoSource, photo_id: str) -> InputError:
    """Return the error for two rows with one photo id; its message has the key that they share."""
    same = _open(spark, source).where(_photo_id(source) == photo_id)
    key = same.select(_key(source)).limit(1).collect()[0][0]
    return InputError(
        f"ingest_photos.source: {key!r} is there twice in column {_key_name(source)!r} of "
        f"{source.path}, and it identifies the table's photos: leave out one of the rows, or set "
        "columns.id to a column that differs for each photo"
    )


def _describer(place: Place, look: bool) -> Callable[[Frames], Frames]:
    source, describe = place.source, make_describer(place)

    def rows(batches: Frames) -> Frames:
        files = place.access.open() if look else None
        for batch in batches:
            found = []
            listed = batch.itertuples(index=False)
            statuses = _with_status(files, listed) if files else ((row, None) for row in listed)
            for row, status in statuses:
                path = row.path or f"{source.path}{MEMBER}{row.photo_key}"
                if not place.takes(path):
                    continue
                _, label, owner, fault = describe(row.path or "")
                size, modified_us = row.size_bytes, row.modified_us
                if status is not None:
                    size, modified_us = status.size, microseconds(status.modified_s)
                label, owner = as_label(row.label) or label, row.owner or owner
                photo_id = make_photo_id(source.name, row.photo_key)
                own = (photo_id, source.name, path, label, owner, source.test_share)
                found.append((*own, size, modified_us, row.sha256, fault))
            yield pd.DataFrame(found, columns=LISTED.names)

    return rows


def _with_status(files: Files, rows: Iterable[Any]) -> Iterator[tuple[Any, FileStatus | None]]:
    """Give rows with the status of the file at their path; None without one, or too late."""
    return prefetch_map(
        lambda row: (row, look_at(files, row.path)),
        rows,
        PrefetchLimits(LOOKS_AT_ONCE, PREFETCH_ROWS, READ_TIMEOUT_S),
        late=lambda row: (row, None),
    )


def _open(spark: SparkSession, source: PhotoSource) -> DataFrame:
    """Return the columns that a source names, under the names of their use: path, content, id ...

    The table is found by its path or, if that has no slash, by its name.
    """
    is_name, key = "/" not in source.path, "ingest_photos.source"
    table = open_user_table(spark, source.path, key, is_name=is_name, kind=source.format)
    have = dict(table.dtypes)
    wanted = {use: name for use, name in source.columns.model_dump().items() if name}
    found = {use: _find_column(table, name) for use, name in wanted.items()}
    faults = []
    for use, name in wanted.items():
        column = found[use]
        kind = "missing" if column is None else table.select(column).dtypes[0][1]
        if kind not in USABLE[use]:
            want = " or ".join(USABLE[use][:2])
            faults.append(f"columns.{use} is {name!r}, which is {kind}, want {want}")
            faults += _fields_instead(table, name, use)
    if faults:
        raise InputError(
            f"ingest_photos.source: {source.path}: {'; '.join(faults)}; it has "
            + ", ".join(f"{name} ({kind})" for name, kind in have.items())
        )
    return table.select(*(column.alias(use) for use, column in found.items() if column is not None))


def _find_column(table: DataFrame, name: str) -> Column | None:
    """Return the column, or the field of a struct, with a name; None if there is none."""
    quoted = F.col("`" + name.replace("`", "``") + "`")
    for column in [quoted] if name in table.columns else [quoted, F.col(name)]:
        try:
            table.select(column)
        except AnalysisException:
            continue
        return column
    return None


def _fields_instead(table: DataFrame, name: str, use: str) -> list[str]:
    """Return what to give in place of a struct, as in Hugging Face's tables of images."""
    if name not in table.columns or not isinstance(table.schema[name].dataType, StructType):
        return []
    fields = [f for f in table.schema[name].dataType if f.dataType.simpleString() in USABLE[use]]
    return [f'give columns.{use} = "{name}.{field.name}"' for field in fields]


def _key_name(source: PhotoSource) -> str:
    return source.columns.id or source.columns.path


def _key(source: PhotoSource) -> Column:
    return F.col("id" if source.columns.id else "path").cast("string")


def _photo_id(source: PhotoSource) -> Column:
    """Return the photo id as an expression of Spark that equals `make_photo_id`."""
    return F.sha2(F.concat(F.lit(f"{source.name}/"), _key(source)), 256).substr(1, 32)


def _text(name: str, use: str) -> Column:
    return (F.col(use) if name else F.lit(None)).cast("string")
