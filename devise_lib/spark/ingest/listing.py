"""The files of a folder, listed by many tasks: on the driver are a bounded number of folders."""

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
from devise_lib.spark.platform.hadoop_files import session_files
from devise_lib.spark.tables.caching import Persist
from devise_lib.text.wikipedia.files import Files, FileStatus

FOUND = "path string, size_bytes long, modified_us long, is_folder boolean"
NAMES = ["path", "size_bytes", "modified_us", "is_folder"]
FOLDERS_A_SLOT, MOST_FOLDERS = 16, 2_000  # for tasks, from the upper levels of the source
DRIVER_ENTRIES = 20_000  # looked at on the driver, at most
FRAME_ROWS = 5_000


def list_files(spark: SparkSession, place: Place, persist: Persist) -> DataFrame:
    """Every file of a source but the hidden ones: path as PHOTOS has it, size_bytes, modified_us.

    The driver looks at the upper folders until there are enough for all tasks. Tasks list those,
    and then, dealt out anew, what lies below them. A folder's files come one after another: one of
    millions is a stream of one task.

    Args:
        spark: the session.
        place: of files.
        persist: persists a DataFrame for as long as the result is used.

    Raises:
        InputError: a folder cannot be listed; its photos must not be taken for gone.
    """
    start = place.start
    if start is None or not start.is_folder:
        row = (place.root, start.size, microseconds(start.modified_s)) if start else ()
        return spark.createDataFrame([row], "path string, size_bytes long, modified_us long")
    files, _ = session_files(spark, place.source.path)
    slots = spark.sparkContext.defaultParallelism
    plan = plan_folders(files, start.path, min(FOLDERS_A_SLOT * slots, MOST_FOLDERS))
    top, opener = start.path, place.opener

    def list_level(batches: Frames) -> Frames:
        for batch in batches:
            for folder, deep in batch.itertuples(index=False):
                found = visible(opener.open(), folder, top)
                yield from _frames(each for each in found if deep or not each.is_folder)

    def list_below(batches: Frames) -> Frames:
        for batch in batches:
            for folder in batch["path"]:
                yield from _frames(walk(opener.open(), folder, top))

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
    """Folders for tasks, from the upper levels of a tree of at least one folder.

    Args:
        files: the file system.
        top: the folder to begin at.
        wanted: how many folders are enough.

    Returns:
        A folder with True, all below it; with False, the files that lie directly in it. No more
        than DRIVER_ENTRIES files and folders are looked at.
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
    """The files of a folder and of all below it; see `visible`."""
    for entry in visible(files, folder, top):
        if entry.is_folder:
            yield from walk(files, entry.path, top)
        else:
            yield entry


def visible(files: Files, folder: str, top: str) -> Iterator[FileStatus]:
    """What lies directly in a folder, less what is hidden and links that lead round in a circle.

    A folder that is gone has nothing in it.

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
                    "that no task can be sent there: rename the folder, or leave it out"
                )
            if not (entry.is_folder and os.path.islink(entry.path) and _leads_back(entry, top)):
                yield entry
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(
            f"ingest_photos.source: {folder} cannot be listed ({error}): see to its rights, or "
            "leave it out; else its photos would be taken for gone"
        ) from error


def _leads_back(link: FileStatus, top: str) -> bool:
    """Whether a link leads to a folder on the way to it, or to one above such a folder."""
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
