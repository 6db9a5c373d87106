"""A look at all sources: what is there, what of it is new, and what tells against a source."""

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
    find_doubled,
    read_known,
    refuse_file_beside_archive,
    refuse_other_folder,
    two_files,
)
from devise_lib.spark.ingest.cifar_files import ARCHIVES, list_cifar
from devise_lib.spark.ingest.file_source import list_source, refuse_empty
from devise_lib.spark.ingest.rows import LISTED, microseconds
from devise_lib.spark.ingest.sources import Place, find_place, shown_path
from devise_lib.spark.ingest.table_source import doubled_rows, find_table, list_table
from devise_lib.spark.tables.caching import Persist, Scratch
from devise_lib.spark.tables.delta_tables import Tables

FIND = {"files": find_place, "cifar": find_place, "table": find_table}


@dataclass(frozen=True)
class Survey:
    """What a look at the sources found, before any file was opened.

    Attributes:
        places: the sources.
        files: rows of `compare`; of archives the state is `archive`.
        states: how many files are in which state, by source; `archive` for archives; `back` and
            `stale` of those of the state `same` that were marked as removed, or refused before.
        known: how many rows the tables have of those sources and files.
        all_found: whether every file of the tables' rows was found; False: some may be gone.
    """

    places: Sequence[Place]
    files: DataFrame
    states: Counter[tuple[str, str]]
    known: int
    all_found: bool

    def count(self, state: str) -> int:
        """Files in a state, of all sources."""
        return sum(n for (_, each), n in self.states.items() if each == state)

    def todo(self, photo_set: str) -> DataFrame:
        """The files of a source that are to be read."""
        return self.files.where((F.col("photo_set") == photo_set) & (F.col("state") == "read"))

    @property
    def archives(self) -> DataFrame:
        """photo_set, path, size_bytes, modification_time."""
        wanted = ("photo_set", "path", "size_bytes", "modification_time")
        return self.files.where("state = 'archive'").select(*wanted)


def survey(tables: Tables, config: IngestPhotos, scratch: Scratch, persist: Persist) -> Survey:
    """List all sources and compare what is there with the tables.

    Raises:
        InputError: a source is missing, empty or cannot be listed, two files have one id, or a
            file has the id of another folder's photo.
    """
    places = [FIND[source.kind](tables.spark, source) for source in config.sources()]
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
    """The rows, without the earlier path where an id of its own tells what a photo is."""
    keyed = [place.source.name for place in places if place.source.columns.id]
    path = F.when(~F.col("photo_set").isin(keyed), F.col("known_path"))
    return files.withColumn("known_path", path) if keyed else files


def _check(tables: Tables, seen: Survey) -> None:
    for place in seen.places:
        name = place.source.name
        if place.source.kind == "files" and not any(of == name for of, _ in seen.states):
            refuse_empty(tables.spark, place)
    if not seen.states and not tables.exists("photos"):
        raise InputError("ingest_photos.source holds no file to take: check its `include`")
    if not seen.count("read"):
        return  # with the ids of two files that are both as they were the table would be doubled
    files = seen.files.where("photo_id IS NOT NULL")
    if doubled := find_doubled(files):
        photo_id, *paths = doubled
        name = files.where(F.col("photo_id") == photo_id).select("photo_set").first()[0]
        source = next(place.source for place in seen.places if place.source.name == name)
        is_table = source.kind == "table"
        raise doubled_rows(tables.spark, source, photo_id) if is_table else two_files(*paths)
    if seen.known:
        moved = seen.files.where("state = 'read' AND path <> known_path")
        refuse_file_beside_archive(moved, seen.archives)
        refuse_other_folder(moved.where("size_bytes <> known_size"))  # so are the bytes
