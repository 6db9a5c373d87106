"""Looks at all sources: lists their files, compares these with the tables, and finds faults."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.ingest.changes import (
    compare,
    count_rows,
    duplicate_id_error,
    find_duplicate_id,
    read_known,
    refuse_file_beside_archive,
    refuse_other_folder,
)
from devise_lib.spark.ingest.cifar_files import ARCHIVES, list_cifar
from devise_lib.spark.ingest.file_source import list_source, refuse_empty
from devise_lib.spark.ingest.rows import LISTED, microseconds
from devise_lib.spark.ingest.sources import Place, find_place, shown_path
from devise_lib.spark.ingest.table_source import duplicate_rows_error, find_table, list_table
from devise_lib.spark.tables.caching import Persist, Scratch
from devise_lib.spark.tables.delta_tables import Tables


@dataclass(frozen=True)
class Survey:
    """What the sources hold, before any file is opened.

    Attributes:
        places: the sources.
        files: the listed files with their state: `same`, `refused`, `read` or, for archives,
            `archive`.
        states: number of files by source and state. Files of the state `same` also count as `back`
            if they were marked as removed, and as `stale` if they were refused before.
        known: number of rows that the tables have for these sources and files.
        all_found: whether the file of every such row was found; if not, some may be gone.
    """

    places: Sequence[Place]
    files: DataFrame
    states: Counter[tuple[str, str]]
    known: int
    all_found: bool

    def count(self, state: str) -> int:
        """Return the number of files in a state, over all sources."""
        return sum(n for (_, each), n in self.states.items() if each == state)

    def todo(self, photo_set: str) -> DataFrame:
        """Return the files of a source that must be read."""
        return self.files.where((F.col("photo_set") == photo_set) & (F.col("state") == "read"))

    @property
    def archives(self) -> DataFrame:
        """The archives that are there: photo_set, path, size_bytes, modification_time."""
        wanted = ("photo_set", "path", "size_bytes", "modification_time")
        return self.files.where("state = 'archive'").select(*wanted)


def survey(tables: Tables, config: IngestPhotos, scratch: Scratch, persist: Persist) -> Survey:
    """List all sources and compare their files with the tables.

    Args:
        tables: of the work folder.
        config: of the job.
        scratch: holds the result, because the run changes the tables.
        persist: persists DataFrames until the run ends.

    Raises:
        InputError: a source is missing, empty or cannot be listed; or a file has the id of another
            file, or of a photo in another folder.
    """
    places = [
        find_table(tables.spark, source) if source.kind == "table" else find_place(source)
        for source in config.sources()
    ]
    names = [place.source.name for place in places]
    parts = [_list(tables, place, persist) for place in places]
    listed = reduce(DataFrame.unionByName, parts)
    listed = listed.withColumn("modification_time", F.timestamp_micros("modified_us"))
    compared = compare(listed, read_known(tables, names), config.retry)
    files = scratch.save(_free_by_id(compared, places), "files")
    live = F.col("known_revision").isNotNull() & F.col("known_removed").isNull()
    refused = F.col("refused_reason").isNotNull()
    back = F.col("known_removed").isNotNull()
    groups = files.groupBy(
        "photo_set", "state", live.alias("live"), refused.alias("refused"), back.alias("back")
    )
    states: Counter[tuple[str, str]] = Counter()
    found = 0
    for row in groups.count().collect():
        name, state, count = row["photo_set"], row["state"], row["count"]
        states[name, state] += count
        found += count * (row["live"] + row["refused"])
        states[name, "back"] += count * (state == "same" and row["back"])
        states[name, "stale"] += count * (state == "same" and row["refused"])
    known = count_rows(tables, names)
    seen = Survey(places, files, states, known, known == found)
    _check(tables, seen)
    return seen


def _list(tables: Tables, place: Place, persist: Persist) -> DataFrame:
    if place.source.kind == "table":
        return list_table(tables.spark, place)
    if place.source.kind == "files":
        return list_source(tables.spark, place, persist)
    rows = [
        dict.fromkeys(LISTED.names)
        | {
            "photo_set": place.source.name,
            "path": shown_path(file.path),
            "size_bytes": file.size,
            "modified_us": microseconds(file.modified_s),
        }
        for file in list_cifar(tables.spark, place.source.path)
        if file.name.endswith(ARCHIVES) or re.search(place.source.include, file.shown_path)
    ]
    return tables.spark.createDataFrame([tuple(row.values()) for row in rows], LISTED)


def _free_by_id(files: DataFrame, places: Sequence[Place]) -> DataFrame:
    """Return the rows without the earlier path in sources that identify photos by a column."""
    keyed = [place.source.name for place in places if place.source.columns.id]
    path = F.when(~F.col("photo_set").isin(keyed), F.col("known_path"))
    return files.withColumn("known_path", path) if keyed else files


def _check(tables: Tables, seen: Survey) -> None:
    for place in seen.places:
        name = place.source.name
        if place.source.kind == "files" and not any(of == name for of, _ in seen.states):
            refuse_empty(place)
    if not seen.states and not tables.exists("photos"):
        raise InputError("ingest_photos.source has no file to take: check its `include`")
    if not seen.count("read"):
        return  # Two unchanged files share no id, because PHOTOS has each id once.
    files = seen.files.where("photo_id IS NOT NULL")
    if duplicate := find_duplicate_id(files):
        photo_id, *paths = duplicate
        name = files.where(F.col("photo_id") == photo_id).select("photo_set").first()[0]
        source = next(place.source for place in seen.places if place.source.name == name)
        is_table = source.kind == "table"
        raise (
            duplicate_rows_error(tables.spark, source, photo_id)
            if is_table
            else duplicate_id_error(*paths)
        )
    if seen.known:
        moved = seen.files.where("state = 'read' AND path <> known_path")
        refuse_file_beside_archive(moved, seen.archives)
        refuse_other_folder(moved.where("size_bytes <> known_size"))  # so the bytes differ, too
