"""Tables of photos: of their bytes, or of the paths where these lie."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from devise_lib.config.photos import PhotoSource
from devise_lib.errors import InputError
from devise_lib.paths import REMOTE
from devise_lib.spark.ingest.rows import LISTED, Frames, make_photo_id, microseconds
from devise_lib.spark.ingest.sources import Place, as_label, make_describer
from devise_lib.spark.photos.reading import look_at
from devise_lib.spark.platform.hadoop_files import session_files
from devise_lib.spark.platform.literal_paths import open_table
from devise_lib.text.wikipedia.files import Files, FileStatus
from devise_lib.vision.archives.tar_photos import MEMBER
from devise_lib.vision.prefetch import prefetch_map

USABLE = {  # column -> types that it may have, as Spark writes them
    "path": ("string",),
    "content": ("binary",),
    "id": ("string", "bigint", "int", "smallint", "tinyint"),
    "label": ("string", "bigint", "int", "smallint", "tinyint"),
    "owner": ("string", "bigint", "int", "smallint", "tinyint"),
    "modified": ("timestamp", "timestamp_ntz", "date"),
}
LOOKS_AT_ONCE, AHEAD_ROWS, LOOK_S = 16, 1_000, 60.0  # at the files of paths, a task
KEY = "photo_key"  # what tells a table's photos apart


def find_table(spark: SparkSession, source: PhotoSource) -> Place:
    """A source that is a table; its photos may lie anywhere.

    Raises:
        InputError: no such table or column, or one that cannot be used.
    """
    table = _open(spark, source)
    if not source.columns.path or source.columns.content:
        return Place(source)
    remote = table.where(F.col("path").rlike(REMOTE))
    some = [row[0] for row in remote.select("path").limit(1).collect()]
    return Place(source, opener=session_files(spark, *some)[1])


def list_table(spark: SparkSession, place: Place) -> DataFrame:
    """Every photo of a table that the source takes, as rows of LISTED.

    Whether a photo changed is told by the column `modified`; without it by the digest of the
    table's bytes or, where it has paths alone, by the size and time of the file at the path. Of a
    path where nothing lies both are null.

    Raises:
        InputError: no such table or column, or one that cannot be used.
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
            "which tells its photos apart"
        )
    look = not columns.modified and not columns.content
    rows = rows.repartition(4 * spark.sparkContext.defaultParallelism) if look else rows
    return rows.mapInPandas(_describer(place, look), LISTED)


def with_content(spark: SparkSession, source: PhotoSource, items: DataFrame) -> DataFrame:
    """Rows of LISTED with the table's bytes; reads the table once."""
    content = F.coalesce(F.col("content"), F.lit(b"")).alias("content")
    table = _open(spark, source).select(_photo_id(source).alias("photo_id"), content)
    return table.join(F.broadcast(items), "photo_id")


def doubled_rows(spark: SparkSession, source: PhotoSource, photo_id: str) -> InputError:
    """The error of two rows with one photo id: names what they have in common."""
    same = _open(spark, source).where(_photo_id(source) == photo_id)
    key = same.select(_key(source)).limit(1).collect()[0][0]
    return InputError(
        f"ingest_photos.source: {key!r} is there twice in column {_key_name(source)!r} of "
        f"{source.path}, and it tells the table's photos apart: leave out one of the rows, or name "
        "a column that is another for each photo in columns.id"
    )


def _describer(place: Place, look: bool) -> Callable[[Frames], Frames]:
    source, describe = place.source, make_describer(place)

    def rows(batches: Frames) -> Frames:
        files = place.opener.open() if look else None
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
    """Rows with what lies at their paths; None where nothing does, or none can tell in time."""
    return prefetch_map(
        lambda row: (row, look_at(files, row.path)),
        rows,
        threads=LOOKS_AT_ONCE,
        ahead=AHEAD_ROWS,
        limit_s=LOOK_S,
        late=lambda row: (row, None),
    )


def _open(spark: SparkSession, source: PhotoSource) -> DataFrame:
    """The columns that a source names, as they are used: path, content, id ...

    The table is found by its path or, without a slash, by its name.
    """
    try:
        if "/" in source.path:
            table = open_table(spark, source.format, source.path)
        else:
            table = spark.read.table(source.path)
        have = dict(table.dtypes)
    except AnalysisException as error:
        raise InputError(
            f"ingest_photos.source: there is no {source.format} table {source.path!r} "
            f"({error.getCondition()}); give a path or a name that exists"
        ) from error
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
    """The column of a name or, by a name with dots, a field of a struct; None: there is none."""
    quoted = F.col("`" + name.replace("`", "``") + "`")
    for column in [quoted] if name in table.columns else [quoted, F.col(name)]:
        try:
            table.select(column)
        except AnalysisException:
            continue
        return column
    return None


def _fields_instead(table: DataFrame, name: str, use: str) -> list[str]:
    """What to give in place of a struct, as that of Hugging Face's images, bytes and path."""
    if name not in table.columns or not isinstance(table.schema[name].dataType, StructType):
        return []
    fields = [f for f in table.schema[name].dataType if f.dataType.simpleString() in USABLE[use]]
    return [f'give columns.{use} = "{name}.{field.name}"' for field in fields]


def _key_name(source: PhotoSource) -> str:
    return source.columns.id or source.columns.path


def _key(source: PhotoSource) -> Column:
    return F.col("id" if source.columns.id else "path").cast("string")


def _photo_id(source: PhotoSource) -> Column:
    """As `make_photo_id` makes it."""
    return F.sha2(F.concat(F.lit(f"{source.name}/"), _key(source)), 256).substr(1, 32)


def _text(name: str, use: str) -> Column:
    return (F.col(use) if name else F.lit(None)).cast("string")
