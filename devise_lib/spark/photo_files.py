"""The files of folders and tars, wherever they lie, each with its bytes."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config_types import PhotoSource
from devise_lib.errors import InputError
from devise_lib.spark.photo_archives import read_archives
from devise_lib.spark.photo_rows import FILES, file_frames, local_path
from devise_lib.vision.archives import is_hidden

GLOB = re.compile(r"[][{}*?\\]")  # what Spark would take as a pattern
SKIPPED = re.compile(r"_[^=]*$")  # names that Spark takes for its own bookkeeping
TAR = ".tar"


def read_source(spark: SparkSession, source: PhotoSource) -> DataFrame:
    """Every file of a source: rows of FILES; the members of tars as files.

    Hidden files, those below a name that begins with a dot, are no photos and are left out.

    Raises:
        InputError: the path is missing, or there is no file.
    """
    path = local_path(source.path)
    if path is not None and not path.exists():
        raise InputError(
            f"ingest_photos.source: there is no {source.path!r}; give a path that exists"
        )
    is_folder = path is not None and path.is_dir()
    if path is not None and is_folder and next(_visible_files(str(path), True), None) is None:
        raise InputError(f"ingest_photos.source: {source.path!r} has no file in it")
    place = source.path if path is None else GLOB.sub(r"\\\g<0>", str(path))
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", True)
    listed = reader.load(place)
    # By a column of its listing, so that Spark opens no tar to read it as one photo.
    is_tar = F.col("_metadata.file_name").endswith(TAR)
    when = F.col("modificationTime").alias("modification_time")
    files = listed.where(~is_tar).select("path", when, "content")
    archives = listed.where(is_tar).select("path", "length")
    if not archives.isEmpty():
        files = files.unionByName(read_archives(spark, archives, source.path))
    if path is not None and is_folder:
        files = files.unionByName(_passed_over(spark, path))
    return files.where(F.col("path").rlike(source.include)) if source.include else files


def _passed_over(spark: SparkSession, folder: Path) -> DataFrame:
    """What Spark's reader leaves out of a folder without a word: rows of FILES.

    These are files without a byte, and what lies below a name that begins with _ , as cameras
    name photos (_MG_0001.JPG).
    """
    root = str(folder)

    def find(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for top, deep in batch.itertuples(index=False):
                yield from file_frames(_read_passed_over(top, deep, root))

    # By subfolder, so that a listing as long as the photos are many is never on the driver.
    below = [(str(p), True) for p in folder.iterdir() if p.is_dir() and not is_hidden(p.name)]
    plan = spark.createDataFrame([(root, False), *below], "top string, deep boolean")
    return plan.repartition(spark.sparkContext.defaultParallelism).mapInPandas(find, FILES)


def _read_passed_over(top: str, deep: bool, root: str) -> Iterator[tuple[str, float, bytes]]:
    for path in _visible_files(top, deep):
        status, parts = os.stat(path), path.removeprefix(root).split("/")
        if not status.st_size or any(map(SKIPPED.match, parts)):
            yield "file:" + path, status.st_mtime, Path(path).read_bytes()


def _visible_files(top: str, deep: bool) -> Iterator[str]:
    """Paths of the files of a folder, and where `deep` of those below it; none that is hidden."""
    for folder, below, names in os.walk(top, followlinks=True):
        below[:] = [name for name in below if deep and not is_hidden(name)]
        yield from (f"{folder}/{name}" for name in names if not is_hidden(name))
