"""Archives (tars and CIFAR's files) that earlier runs have read and that have not changed since."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.ingest.changes import ARCHIVE_IN_PATH, read_or_empty, refused_files
from devise_lib.spark.ingest.sources import Place
from devise_lib.spark.tables.delta_tables import Tables

TABLE = "ingested_archives"
ARCHIVE_COLUMNS = "photo_set string, path string, size_bytes long, modification_time timestamp"
ARCHIVE_KEY = ["photo_set", "path"]


@dataclass(frozen=True)
class KnownArchives:
    """The archives of a run's sources.

    Attributes:
        changed: those that must be read: ARCHIVE_COLUMNS and `include`.
        unchanged: those that are the same as when they were read as a whole: ARCHIVE_KEY.
    """

    changed: DataFrame
    unchanged: DataFrame


def compare_archives(
    tables: Tables, listed: DataFrame, places: Sequence[Place], retry: Sequence[str]
) -> KnownArchives:
    """Find the archives that must be read.

    An archive must be read in three cases:
    1. Its time or size has changed.
    2. The source's `include` has changed, so that the source takes other photos of it.
    3. It has a refused photo that is to be tried again.

    Args:
        tables: of the work folder.
        listed: ARCHIVE_COLUMNS of all archives that are there.
        places: the sources.
        retry: reasons of refused photos that are to be tried again.
    """
    by_set = {place.source.name: place.source.include for place in places}
    include = F.create_map(*(F.lit(text) for pair in by_set.items() for text in pair))
    archives = listed.withColumn("include", include[F.col("photo_set")])
    records = read_or_empty(tables, TABLE).drop("run_id").distinct()
    unchanged = archives.join(records, archives.columns, "left_semi").select(*ARCHIVE_KEY)
    if retry:
        again = (
            refused_files(tables)
            .where(F.col("reason").isin(list(retry)))
            .select("photo_set", F.regexp_extract("path", ARCHIVE_IN_PATH, 1).alias("path"))
        )
        unchanged = unchanged.join(again, ARCHIVE_KEY, "left_anti")
    return KnownArchives(archives.join(unchanged, ARCHIVE_KEY, "left_anti"), unchanged)


def forget_archives(tables: Tables, places: Sequence[Place], unchanged: DataFrame) -> None:
    """Delete the records of archives that are changed or gone, before their photos change.

    Otherwise an archive that is changed, read in part, and then restored would count as read.

    Args:
        tables: of the work folder.
        places: the sources.
        unchanged: ARCHIVE_KEY of archives whose records stay.
    """
    if not tables.exists(TABLE):
        return
    by_name = {place.source.name: place for place in places}

    @F.udf("boolean")
    def belongs(photo_set: str, path: str) -> bool:
        return photo_set in by_name and by_name[photo_set].holds(path)

    records = (
        tables.read(TABLE).select(*ARCHIVE_KEY).distinct().join(unchanged, ARCHIVE_KEY, "left_anti")
    )
    old = records.where(belongs(*ARCHIVE_KEY)).localCheckpoint()
    if not old.isEmpty():
        condition = "t.photo_set = s.photo_set AND t.path = s.path"
        tables.merge(TABLE, old, condition, lambda merge: merge.whenMatchedDelete())


def remember_archives(tables: Tables, changed: DataFrame) -> None:
    """Record archives whose photos are all in PHOTOS or QUARANTINE now."""
    run_id = F.lit(tables.provenance.get("run_id")).cast("string")
    tables.append(TABLE, changed.withColumn("run_id", run_id))
