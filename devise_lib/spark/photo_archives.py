"""Tars of photos of any size: cut into ranges of members, one task a range."""

import io
from collections.abc import Callable, Iterator
from typing import IO

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.spark.hadoop_files import WorkerFiles, session_files
from devise_lib.spark.photo_rows import FILES, file_frames
from devise_lib.text.files import SeekableFile
from devise_lib.vision.archives import MEMBER, ArchiveError, TarRange, plan_ranges, read_range

RANGE_BYTES = 8 << 20  # so that a small tar keeps several cores busy, too
HEADER_BYTES = 4096  # read at once while headers are looked at
RANGES = "path string, start long, stop long, shadowed array<long>"

Frames = Iterator[pd.DataFrame]


def read_archives(spark: SparkSession, archives: DataFrame, source: str) -> DataFrame:
    """The files of tars as rows of FILES, and those of tars within them.

    A task looks at the headers of a tar, and others then read it by ranges, a file at a time:
    neither a tar nor the list of its members is ever on the driver.

    Args:
        spark: the session.
        archives: path, length.
        source: the path that they lie below.
    """
    _, opener = session_files(spark, source)
    plan = archives.mapInPandas(_planner(opener), RANGES)
    tasks = spark.sparkContext.defaultParallelism * 4
    return plan.repartition(tasks).mapInPandas(_reader(opener), FILES)


def _planner(opener: WorkerFiles) -> Callable[[Frames], Frames]:
    range_bytes = RANGE_BYTES

    def plan(batches: Frames) -> Frames:
        for batch in batches:
            for path, length in batch.itertuples(index=False):
                file = SeekableFile(opener.open(), absolute(path), length)
                try:
                    ranges = plan_ranges(io.BufferedReader(file, HEADER_BYTES), range_bytes)
                except ArchiveError as error:
                    raise _unreadable(path, error) from error
                rows = [(path, part.start, part.stop, list(part.shadowed)) for part in ranges]
                yield pd.DataFrame(rows, columns=["path", "start", "stop", "shadowed"])

    return plan


def _reader(opener: WorkerFiles) -> Callable[[Frames], Frames]:
    def read(batches: Frames) -> Frames:
        for batch in batches:
            for path, start, stop, shadowed in batch.itertuples(index=False):
                part = TarRange(start, stop, tuple(shadowed))
                opened = opener.open().open_range(absolute(path), start, stop)
                with io.BufferedReader(opened) as bytes_of_range:
                    yield from file_frames(_files(path, bytes_of_range, part))

    return read


def _files(path: str, opened: IO[bytes], part: TarRange) -> Iterator[tuple[str, float, bytes]]:
    try:
        for file in read_range(opened, part):
            yield f"{path}{MEMBER}{file.name}", file.modified_s, file.content
    except ArchiveError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: ArchiveError) -> InputError:
    return InputError(
        f"ingest_photos.source: {path} cannot be read as a tar ({error}); "
        "give a whole, uncompressed tar"
    )
