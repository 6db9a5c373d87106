"""Compares the listed files with the tables: which are new, changed, moved or gone."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.spark.ingest.sources import Place
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import SCHEMAS

JOB_NAME = "ingest_photos"
# Finds the archive of a member, or the file of a record, in a path of PHOTOS.
ARCHIVE_IN_PATH = r"^(.*?\.(?:tar\.gz|tgz|tar|bin))!"
KNOWN_COLUMNS = (  # what the tables hold of a photo; they accompany its file until the commit
    *("known_path", "known_size", "known_time", "known_sha256", "known_revision"),
    *("known_removed", "refused_reason", "refused_size", "refused_time", "refused_sha256"),
)


def compare(listed: DataFrame, known: DataFrame, retry: Sequence[str]) -> DataFrame:
    """Return the listed files with what is known of them, and a state.

    | state | meaning |
    |---|---|
    | `same` | in PHOTOS, unchanged |
    | `refused` | in QUARANTINE, unchanged |
    | `read` | new, changed, moved, or to be tried again |
    | `archive` | an archive |

    Args:
        listed: rows of LISTED, with modification_time; their ids are distinct.
        known: photo_id and KNOWN_COLUMNS.
        retry: reasons of refused files that are to be tried again.
    """
    joined = listed.join(known, "photo_id", "left")
    same = _is_as("known") & (F.col("path") == F.col("known_path"))
    again = F.col("refused_reason").isin(list(retry)) if retry else F.lit(False)
    refused = F.col("refused_reason").isNotNull() & ~again & _is_as("refused")
    state = F.when(F.col("known_revision").isNotNull() & same, "same").when(refused, "refused")
    archive = F.when(F.col("photo_id").isNull(), "archive")
    return joined.withColumn("state", F.coalesce(archive, state.otherwise("read")))


def _is_as(before: str) -> Column:
    """Return whether a listed file is unchanged: by its digest if it has one, else by time."""
    size, time = F.col(f"{before}_size"), F.col(f"{before}_time")
    stamps = F.col("modification_time").eqNullSafe(time)
    # A table with times has no sizes. For a path without a file both are null.
    sizes = F.col("size_bytes").isNull() | F.col("size_bytes").eqNullSafe(size)
    digest = F.col("sha256") == F.col(f"{before}_sha256")
    return F.when(F.col("sha256").isNotNull(), F.coalesce(digest, F.lit(False))).otherwise(
        stamps & sizes
    )


def read_known(tables: Tables, photo_sets: Sequence[str]) -> DataFrame:
    """Return what PHOTOS and QUARANTINE hold of the files of some sets: photo_id, KNOWN_COLUMNS.

    The bytes of the photos are not read.
    """
    photos = _renamed(_photos(tables, photo_sets), "known", "path", "revision", "removed")
    refused = _renamed(_refused(tables, photo_sets), "refused", "reason")
    return photos.join(refused, "photo_id", "full")


def _renamed(rows: DataFrame, prefix: str, *more: str) -> DataFrame:
    """Return photo_id, the columns that show a change of the file, and `more`, under a prefix."""
    names = {"size_bytes": "size", "modification_time": "time", "sha256": "sha256"}
    names |= {name: name for name in more}
    return rows.select(
        "photo_id", *(F.col(name).alias(f"{prefix}_{short}") for name, short in names.items())
    )


def count_rows(tables: Tables, photo_sets: Sequence[str]) -> int:
    """Return the number of rows of PHOTOS and QUARANTINE on files of some sets.

    Photos that are marked as removed do not count.
    """
    photos = _photos(tables, photo_sets).where("removed IS NULL").select("photo_id")
    return photos.union(_refused(tables, photo_sets).select("photo_id")).count()


def find_removed(
    tables: Tables, places: Sequence[Place], seen: DataFrame, unchanged: DataFrame | None
) -> DataFrame:
    """Return the photos of the tables whose files the sources no longer have.

    Photos that the current `include` or pattern leaves out, or that lie elsewhere, do not count,
    because nobody has looked for them.

    Args:
        tables: of the work folder.
        places: the sources of this run.
        seen: photo_id of all that was listed or read.
        unchanged: photo_set and path of archives that were not opened, if any.

    Returns:
        photo_id and `table`, "photos" or "quarantine". A photo that could not be read lately is in
        both.
    """
    names = [place.source.name for place in places]
    known = {
        "photos": _photos(tables, names).where("removed IS NULL"),
        "quarantine": _refused(tables, names),
    }
    photos, refused = (
        rows.select("photo_id", "photo_set", "path", F.lit(name).alias("table"))
        for name, rows in known.items()
    )
    left = photos.union(refused).join(seen, "photo_id", "left_anti")
    if unchanged is not None:
        unopened = unchanged.select("photo_set", F.col("path").alias("archive"))
        archive = F.regexp_extract("path", ARCHIVE_IN_PATH, 1)
        left = left.withColumn("archive", archive).join(
            unopened, ["photo_set", "archive"], "left_anti"
        )
    by_name = {place.source.name: place for place in places}

    @F.udf("boolean")
    def belongs(photo_set: str, path: str) -> bool:
        return by_name[photo_set].takes(path)

    return left.where(belongs("photo_set", "path")).select("photo_id", "table").distinct()


def find_duplicate_id(listed: DataFrame) -> tuple[str, str, str] | None:
    """Return an id that two files have, and their paths; None if all ids are distinct.

    A tar and its unpacked folder side by side give such files.

    Args:
        listed: photo_id and path.
    """
    paths = F.array_sort(F.collect_list("path")).alias("paths")
    counts = listed.groupBy("photo_id").agg(F.count("*").alias("files")).where("files > 1")
    found = listed.join(counts.limit(1), "photo_id").groupBy("photo_id").agg(paths).collect()
    return (found[0]["photo_id"], *found[0]["paths"][:2]) if found else None


def duplicate_id_error(first: str, second: str) -> InputError:
    """Return the error for two files with one id."""
    if first == second:
        return InputError(
            f"{first} is there twice: pack the archive again, with each file once in it"
        )
    return InputError(
        f"{first} and {second} have the same name within their source, so they would have the "
        "same id: leave out one of them (a tar or its folder), or give each its own source"
    )


def refuse_file_beside_archive(read: DataFrame, archives: DataFrame) -> None:
    """Raise InputError if a file has the id of a photo in an archive that is there as well.

    Args:
        read: path, known_path, known_removed of files.
        archives: path.

    Raises:
        InputError: the message has the paths of both.
    """
    archive = F.regexp_extract("known_path", ARCHIVE_IN_PATH, 1)
    both = read.where("path <> known_path AND known_removed IS NULL").withColumn("of", archive)
    there = archives.select(F.col("path").alias("of"))
    found = both.join(there, "of", "left_semi").select("path", "known_path").limit(1).collect()
    if found:
        raise duplicate_id_error(*sorted(found[0]))


def refuse_other_folder(changed: DataFrame) -> None:
    """Raise InputError if a file has the id of a photo at another path, but other bytes.

    A photo that was moved with its folder has the same bytes, and is accepted as moved.

    Args:
        changed: path, known_path, known_removed, photo_set of files whose bytes differ.

    Raises:
        InputError: the message has one such file, and the path of the photo with its id.
    """
    elsewhere = changed.where("path <> known_path AND known_removed IS NULL")
    found = elsewhere.select("path", "known_path", "photo_set").limit(1).collect()
    if found:
        path, known_path, name = found[0]
        raise InputError(
            f"{path} has the id of a photo of the set {name!r} that was ingested from {known_path} "
            "with other bytes: another folder was ingested under this name. Give the source a "
            'name of its own, as in ingest_photos.source=[{path="...", name="..."}]; if the folder '
            "was moved and this file was changed as well, ingest it once under its old path (a "
            "link there will do)"
        )


def _photos(tables: Tables, photo_sets: Sequence[str]) -> DataFrame:
    return read_or_empty(tables, "photos").where(F.col("photo_set").isin(list(photo_sets)))


def _refused(tables: Tables, photo_sets: Sequence[str]) -> DataFrame:
    return refused_files(tables).where(F.col("photo_set").isin(list(photo_sets)))


def refused_files(tables: Tables) -> DataFrame:
    """Return the rows of QUARANTINE on files, not those on photos that a model could not embed."""
    return read_or_empty(tables, "quarantine").where(F.col("stage") == JOB_NAME)


def read_or_empty(tables: Tables, name: str) -> DataFrame:
    """Return a table, or no rows of its schema if it does not exist yet."""
    if tables.exists(name):
        return tables.read(name)
    return tables.spark.createDataFrame([], SCHEMAS[name])
