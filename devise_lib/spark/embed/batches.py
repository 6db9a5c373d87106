"""The photos of a batch: first their ids alone, then with their bytes, which are read once.

Whatever is asked of a micro-batch has Spark's stream read its files anew, with every column that it
takes from them. So the stream brings what photos are looked up by, and the names of their files;
those that are to be embedded are then read from these.
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

MUTABLE_COLUMNS = (
    "path",
    "size_bytes",
    "modification_time",
    "removed",
)  # while the bytes stay the same
# Databricks refuses to read the files of a Delta table as anything else, unless it is told.
PAST_DELTA = {"spark.databricks.delta.formatCheck.enabled": "false"}
ROW_KEY = ["photo_id", "revision", "file_hash"]


class Losses:
    """Whether somebody has taken rows out of a table; asked often, it reads each commit once.

    Args:
        tables: with the table.
        name: of the table.
    """

    def __init__(self, tables: Tables, name: str) -> None:
        self._tables, self._name = tables, name
        self._happened, self._looked_up_to = False, -1

    def happened(self) -> bool:
        """Whether the table's log knows of such a commit by now."""
        if not self._happened:
            newest = self._tables.version(self._name)
            self._happened = self._tables.may_have_lost_rows(self._name, after=self._looked_up_to)
            self._looked_up_to = newest
        return self._happened


def identify(photos: DataFrame) -> DataFrame:
    """photo_id, sha256, revision and `file` of rows of PHOTOS; read as a table or as a stream."""
    return photos.select("photo_id", "sha256", "revision", F.input_file_name().alias("file"))


def count_files(ids: DataFrame) -> tuple[dict[str, int], bool]:
    """The files of rows of `identify` with their photos, and whether any photo was ingested anew.

    In one query: whatever is asked of a micro-batch has its files read once more.
    """
    asked = F.count("*").alias("photos"), F.max(F.col("revision") > 1).alias("has_revised")
    rows = ids.groupBy("file").agg(*asked).collect()
    return {row["file"]: row["photos"] for row in rows}, any(row["has_revised"] for row in rows)


def in_parts(files: Mapping[str, int], photos: int, least: int, most: int) -> Iterator[list[str]]:
    """Files in parts of `least` of them, or of more, up to `most`, that have so many photos.

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
    """Of several revisions of a photo the last one."""
    others = F.struct(*(name for name in ids.columns if name != "photo_id"))
    last = ids.groupBy("photo_id").agg(F.max_by(others, "revision").alias("last"))
    return last.select("photo_id", "last.*")


def refresh_rows(
    ids: DataFrame, files: Mapping[str, int], tables: Tables, scratch: Scratch
) -> DataFrame:
    """The photos that PHOTOS still has, where they are now.

    A stream brings rows as they were appended. A file is written anew when a photo of it is moved,
    marked as removed, superseded or deleted: where all files are still there nothing happened. A
    superseded photo stays as it was: its new revision comes later, and replaces it.

    Args:
        ids: of `identify`, at most those of a micro-batch: they are broadcast.
        files: all that these are in, with their numbers of photos.
        tables: with PHOTOS.
        scratch: for what is found.

    Returns:
        The ids; where a file was written anew with a column `now`, CHANGING of the photos that
        were in it.
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
    """The rows of PHOTOS as a whole, and how many rows their files have.

    They are read past Delta, which would look into every file. What it has deleted in these is not
    asked for.

    Args:
        ids: of `refresh_rows`.
        files: all that these are in, at least one, with their numbers of photos.
        tables: with PHOTOS.
    """
    with session_settings(tables.spark, PAST_DELTA):
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
    """A few bytes for a file's name, since they are broadcast; without the folder.

    Of which Delta and Spark have their own spellings: file:/tmp, file:///tmp.
    """
    return F.xxhash64(F.substring_index(file, "/", -1)).alias("file_hash")
