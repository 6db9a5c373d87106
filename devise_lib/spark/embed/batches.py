"""The photos of a micro-batch: first their ids alone, then their bytes, which are read once.

Every query on a micro-batch makes Spark's stream read its files again, with all columns that the
stream selects. So the stream brings only the columns by which photos are looked up, and the names
of their files. The photos to embed are then read from these files.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.platform.literal_paths import read_parquet
from devise_lib.spark.platform.session import session_settings
from devise_lib.spark.tables.caching import Scratch
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS

# They may change while the bytes of a photo stay the same.
MUTABLE_COLUMNS = ("path", "size_bytes", "modification_time", "removed")
# Databricks reads the files of a Delta table as Parquet only with this setting.
READ_AS_PARQUET = {"spark.databricks.delta.formatCheck.enabled": "false"}
ROW_KEY = ["photo_id", "revision", "file_hash"]


class RowLosses:
    """Whether somebody has removed rows from a table. Repeated checks read each commit once.

    Args:
        tables: with the table.
        name: of the table.
    """

    def __init__(self, tables: Tables, name: str) -> None:
        self._tables, self._name = tables, name
        self._happened, self._looked_up_to = False, -1

    def happened(self) -> bool:
        """Return whether the table's log has such a commit by now."""
        if not self._happened:
            newest = self._tables.version(self._name)
            self._happened = self._tables.may_have_lost_rows(self._name, after=self._looked_up_to)
            self._looked_up_to = newest
        return self._happened


def identify(photos: DataFrame) -> DataFrame:
    """Return photo_id, sha256, revision and `file` of rows of PHOTOS, a table or a stream."""
    return photos.select("photo_id", "sha256", "revision", F.input_file_name().alias("file"))


def count_files(ids: DataFrame) -> tuple[dict[str, int], bool]:
    """Return the files of these ids with their photos, and whether any was ingested again.

    One query does both, because every query on a micro-batch reads its files once more.
    """
    asked = F.count("*").alias("photos"), F.max(F.col("revision") > 1).alias("has_revised")
    rows = ids.groupBy("file").agg(*asked).collect()
    return {row["file"]: row["photos"] for row in rows}, any(row["has_revised"] for row in rows)


def in_parts(files: Mapping[str, int], photos: int, least: int, most: int) -> Iterator[list[str]]:
    """Divide files into parts of at least `least` files.

    A part gets more files, up to `most`, until it has `photos` photos.

    >>> list(in_parts({"a": 1, "b": 2, "c": 1}, photos=2, least=1, most=9))
    [['a', 'b'], ['c']]
    """
    part: list[str] = []
    for file in sorted(files):
        part.append(file)
        enough = len(part) >= most or sum(files[each] for each in part) >= photos
        if enough and len(part) >= least:
            yield part
            part = []
    if part:
        yield part


def newest(ids: DataFrame) -> DataFrame:
    """Return only the last revision of each photo."""
    others = F.struct(*(name for name in ids.columns if name != "photo_id"))
    last = ids.groupBy("photo_id").agg(F.max_by(others, "revision").alias("last"))
    return last.select("photo_id", "last.*")


def refresh_rows(
    ids: DataFrame, files: Mapping[str, int], tables: Tables, scratch: Scratch
) -> DataFrame:
    """Return the photos that PHOTOS still has, with their current values.

    A stream brings rows as they were appended. A file is rewritten when a photo in it is moved,
    marked as removed, superseded or deleted. So if all files still exist, nothing has changed. A
    superseded photo is returned unchanged: its new revision comes later, and replaces it.

    Args:
        ids: the columns of `identify`, at most a micro-batch, because they are broadcast.
        files: all files of these photos, with their numbers of photos.
        tables: with PHOTOS.
        scratch: holds the result.

    Returns:
        The ids. If a file was rewritten, they have a column `now` with the MUTABLE_COLUMNS of the
        photos that were in it.
    """
    gone = tables.files_gone("photos", files)
    if not gone:
        return ids
    was_there = F.col("file").isin(gone)
    asked = ids.where(was_there).select("photo_id").distinct()
    photos = tables.read("photos").join(F.broadcast(asked), "photo_id", "left_semi")
    now = newest(photos.select("photo_id", "revision", F.struct(*MUTABLE_COLUMNS).alias("now")))
    found = ids.join(F.broadcast(now.drop("revision")), "photo_id", "left")
    return scratch.save(found.where(~was_there | F.col("now").isNotNull()), "now")


def read_photos(ids: DataFrame, files: Mapping[str, int], tables: Tables) -> tuple[DataFrame, int]:
    """Return the whole rows of PHOTOS, and the number of rows that their files have.

    They are read as plain Parquet, because Delta would look into every file. Rows that Delta has
    deleted from these files are not among the ids.

    Args:
        ids: the result of `refresh_rows`.
        files: all files of these photos, at least one, with their numbers of photos.
        tables: with PHOTOS.
    """
    with session_settings(tables.spark, READ_AS_PARQUET):
        rows = read_parquet(tables.spark, *map(unquote, files), schema=PHOTOS)
    count = rows.count()
    now = ["now"] if "now" in ids.columns else []
    if not now and count == sum(files.values()):
        return rows, count
    wanted = ids.select("photo_id", "revision", _hashed("file"), *now)
    rows = rows.select("*", _hashed(F.input_file_name())).join(F.broadcast(wanted), ROW_KEY)
    if now:
        known = F.col("now").isNotNull()
        rows = rows.withColumns(
            {
                name: F.when(known, F.col(f"now.{name}")).otherwise(F.col(name))
                for name in MUTABLE_COLUMNS
            }
        )
    return rows.drop("file_hash", *now), count


def _hashed(file: str | Column) -> Column:
    """Return a short hash of a file's name, for broadcasts, without the folder.

    Delta and Spark spell folders differently: file:/tmp, file:///tmp.
    """
    return F.xxhash64(F.substring_index(file, "/", -1)).alias("file_hash")
