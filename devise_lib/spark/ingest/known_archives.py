"""Archives that are not opened again: tars, and files of CIFAR's records, known by their time."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.spark.ingest.changes import CONTAINER, read_or_empty, refused_files
from devise_lib.spark.ingest.sources import Place
from devise_lib.spark.tables.delta_tables import Tables

TABLE = "ingested_archives"
ARCHIVE = "photo_set string, path string, size_bytes long, modification_time timestamp"
NAMED = ["photo_set", "path"]


@dataclass(frozen=True)
class Containers:
    """The archives of a run's sources.

    Attributes:
        changed: those to be read: columns of ARCHIVE, and include.
        shut: those that are as they were when all of them had been read: NAMED.
    """

    changed: DataFrame
    shut: DataFrame


def compare_archives(
    tables: Tables, listed: DataFrame, places: Sequence[Place], retry: Sequence[str]
) -> Containers:
    """Which archives are to be opened.

    One whose time or size is another, of which the source takes other photos now (`include`), or
    one that has a refused photo that is to be tried again.

    Args:
        tables: of the work folder.
        listed: columns of ARCHIVE.
        places: the sources.
        retry: reasons.
    """
    by_set = {place.source.name: place.source.include for place in places}
    include = F.create_map(*(F.lit(text) for pair in by_set.items() for text in pair))
    archives = listed.withColumn("include", include[F.col("photo_set")])
    records = read_or_empty(tables, TABLE).drop("run_id").distinct()
    shut = archives.join(records, archives.columns, "left_semi").select(*NAMED)
    if retry:
        again = (
            refused_files(tables)
            .where(F.col("reason").isin(list(retry)))
            .select("photo_set", F.regexp_extract("path", CONTAINER, 1).alias("path"))
        )
        shut = shut.join(again, NAMED, "left_anti")
    return Containers(archives.join(shut, NAMED, "left_anti"), shut)


def forget_archives(tables: Tables, places: Sequence[Place], shut: DataFrame) -> None:
    """Delete what is remembered of archives that changed or are gone, before their photos change.

    Else an archive that is changed, read in part, and then put back as it was would count as read.
    """
    if not tables.exists(TABLE):
        return
    by_name = {place.source.name: place for place in places}

    @F.udf("boolean")
    def belongs(photo_set: str, path: str) -> bool:
        return photo_set in by_name and by_name[photo_set].holds(path)

    records = tables.read(TABLE).select(*NAMED).distinct().join(shut, NAMED, "left_anti")
    old = records.where(belongs(*NAMED)).localCheckpoint()
    if not old.isEmpty():
        condition = "t.photo_set = s.photo_set AND t.path = s.path"
        tables.merge(TABLE, old, condition, lambda merge: merge.whenMatchedDelete())


def remember_archives(tables: Tables, changed: DataFrame) -> None:
    """Archives whose photos are all taken or refused now."""
    run_id = F.lit(tables.provenance.get("run_id")).cast("string")
    tables.append(TABLE, changed.withColumn("run_id", run_id))
