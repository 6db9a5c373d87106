"""Lists the files of a folder in many tasks; the driver holds only a bounded number of folders."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.paths import printable
from devise_lib.spark.ingest.rows import Frames, microseconds
from devise_lib.spark.ingest.sources import Place
from devise_lib.spark.tables.caching import Persist
from devise_lib.storage.files import Files, FileStatus
from devise_lib.storage.stores import store_files

FOUND = "path string, size_bytes long, modified_us long, is_folder boolean"
NAMES = ["path", "size_bytes", "modified_us", "is_folder"]
FOLDERS_PER_SLOT, MOST_FOLDERS = 16, 2_000  # folders of the upper levels, for the tasks
DRIVER_ENTRIES = 20_000  # most entries of folders that the driver looks at
FRAME_ROWS = 5_000


def list_files(spark: SparkSession, place: Place, persist: Persist) -> DataFrame:
    """Return every visible file of a source: path as PHOTOS has it, size_bytes, modified_us.

    The driver looks at the upper folders until there are enough for all tasks. Tasks list these
    folders. What lies below them is then distributed to tasks again. One task streams the files of
    one folder, even if there are millions.

    Args:
        spark: the session.
        place: a source of files.
        persist: persists a DataFrame for as long as the result is used.

    Raises:
        InputError: a folder cannot be listed; otherwise its photos would be marked as removed.
    """
    start = place.start
    if start is None or not start.is_folder:
        row = (place.root, start.size, microseconds(start.modified_s)) if start else ()
        return spark.createDataFrame([row], "path string, size_bytes long, modified_us long")
    files, access = store_files(), place.access
    slots = spark.sparkContext.defaultParallelism
    plan = plan_folders(files, start.path, min(FOLDERS_PER_SLOT * slots, MOST_FOLDERS))
    top = start.path

    def list_level(batches: Frames) -> Frames:
        for batch in batches:
            for folder, deep in batch.itertuples(index=False):
                found = visible(access.open(), folder, top)
                yield from _frames(each for each in found if deep or not each.is_folder)

    def list_below(batches: Frames) -> Frames:
        for batch in batches:
            for folder in batch["path"]:
                yield from _frames(walk(access.open(), folder, top))

    tasks = min(len(plan), 4 * slots)
    level = spark.createDataFrame(plan, "path string, deep boolean").repartition(tasks)
    level = level.mapInPandas(list_level, FOUND)
    found = level.where("NOT is_folder")
    if any(deep for _, deep in plan):
        level = persist(level)
        below = level.where("is_folder").select("path").repartition(4 * slots)
        found = level.where("NOT is_folder").unionByName(below.mapInPandas(list_below, FOUND))
    shown = F.col("path") if place.root == top.rstrip("/") else F.concat(F.lit("file:"), "path")
    return found.select(shown.alias("path"), "size_bytes", "modified_us")


def plan_folders(files: Files, top: str, wanted: int) -> list[tuple[str, bool]]:
    """Choose folders for tasks, from the upper levels of a tree.

    No more than DRIVER_ENTRIES files and folders are looked at.

    Args:
        files: the file system.
        top: the folder to begin at.
        wanted: number of folders that is enough.

    Returns:
        Each folder with True for all that lies below it, or False for the files directly in it.
    """
    waiting, left = deque([top]), DRIVER_ENTRIES
    looked_into: list[str] = []
    while waiting and len(waiting) + len(looked_into) < wanted and left > 0:
        folder = waiting.popleft()
        entries = list(islice(visible(files, folder, top), left + 1))
        if len(entries) > left:
            waiting.append(folder)
            break
        left -= len(entries) + 1
        looked_into.append(folder)
        waiting.extend(entry.path for entry in entries if entry.is_folder)
    return [(folder, False) for folder in looked_into] + [(folder, True) for folder in waiting]


def walk(files: Files, folder: str, top: str) -> Iterator[FileStatus]:
    """Give the files in a folder and below it, without hidden ones.

    Args:
        files: the file system.
        folder: where to begin.
        top: the folder that the walk began at; `folder` or one above it.

    Raises:
        InputError: a folder cannot be listed.
    """
    for entry in visible(files, folder, top):
        if entry.is_folder:
            yield from walk(files, entry.path, top)
        else:
            yield entry


def visible(files: Files, folder: str, top: str) -> Iterator[FileStatus]:
    """Give the entries of a folder, without hidden ones and links that lead back to a parent.

    A folder that is gone has no entries.

    Args:
        files: the file system.
        folder: to list.
        top: the folder that the walk began at; `folder` or one above it.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        for entry in files.entries(folder):
            if entry.is_folder and printable(entry.path) != entry.path:
                raise InputError(
                    f"ingest_photos.source: the name of {printable(entry.path)} is not UTF-8, so "
                    "no task can open it: rename the folder, or leave it out"
                )
            if not (entry.is_folder and os.path.islink(entry.path) and _leads_back(entry, top)):
                yield entry
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(
            f"ingest_photos.source: {folder} cannot be listed ({error}): correct its permissions, "
            "or leave it out; otherwise its photos would be taken for gone"
        ) from error


def _leads_back(link: FileStatus, top: str) -> bool:
    """Return whether a link leads to a folder on the way to it, or to a parent of one."""
    target = os.path.join(os.path.realpath(link.path), "")
    way = os.path.dirname(link.path)
    while True:
        if os.path.join(os.path.realpath(way), "").startswith(target):
            return True
        if len(way) <= len(top):
            return False
        way = os.path.dirname(way)


def _frames(found: Iterable[FileStatus]) -> Frames:
    rows = ((printable(s.path), s.size, microseconds(s.modified_s), s.is_folder) for s in found)
    while held := list(islice(rows, FRAME_ROWS)):
        yield pd.DataFrame(held, columns=NAMES)
