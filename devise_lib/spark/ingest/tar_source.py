"""Reads tars of photos of any size, cut into ranges of members with one task per range."""

import io
import json
from collections.abc import Callable, Iterator
from typing import IO

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.spark.ingest.checks import Limits
from devise_lib.spark.ingest.rows import (
    CHECKED,
    Found,
    Frames,
    Row,
    frames,
    microseconds,
    refuse,
)
from devise_lib.spark.ingest.sources import Place, make_describer
from devise_lib.storage.files import Files
from devise_lib.storage.ranges import SeekableFile
from devise_lib.storage.stores import StoreAccess
from devise_lib.vision.archives.tar_members import ArchiveError
from devise_lib.vision.archives.tar_photos import MEMBER, File, read_range
from devise_lib.vision.archives.tar_ranges import Link, TarRange, plan_ranges

RANGE_BYTES = 8 << 20  # small enough for a small tar to keep several cores busy
HEADER_BYTES = 4096  # read at once while headers are scanned
RANGES = (
    "path string, start long, stop long, shadowed array<long>, links array<array<long>>, "
    "records string, size_bytes long, is_mixed boolean"  # in JSON, because it may be no UTF-8
)
RANGE_NAMES = ["path", "start", "stop", "shadowed", "links", "records"]


def plan_archives(archives: DataFrame, place: Place) -> DataFrame:
    """Cut tars into ranges of members: the columns RANGES and `digest`, for `check_ranges`.

    One task scans the headers of a tar. Neither a tar nor its list of members is ever on the
    driver.

    Args:
        archives: path, size_bytes.
        place: the source that they belong to.

    Raises:
        InputError: in the task: a file cannot be read as a tar.
    """
    slots = archives.sparkSession.sparkContext.defaultParallelism
    some = archives.select("path", "size_bytes").repartition(4 * slots)
    ranges = some.mapInPandas(_planner(place.access), RANGES)
    return ranges.withColumn("digest", F.sha2(F.concat_ws("!", "path", "start"), 256))


def check_ranges(ranges: DataFrame, place: Place, limits: Limits) -> DataFrame:
    """Return the files of ranges, and of tars within them, as rows of CHECKED, one at a time.

    Their bytes are always stored, because no other reader finds a member by its path.

    Args:
        ranges: the columns RANGES.
        place: the source.
        limits: of a photo's size.

    Raises:
        InputError: in the task: a file cannot be read as a tar.
    """
    source, describe, access = place.source, make_describer(place), place.access

    def rows(path: str, part: TarRange) -> Iterator[Row]:
        for file in _files(access.open(), path, part):
            member = f"{path}{MEMBER}{file.name}"
            if not place.takes(member):
                continue
            photo_id, label, owner, fault = describe(member)
            own = (photo_id, source.name, member, label, owner, source.test_share)
            found = Found(*own, size_bytes=None, modified_us=microseconds(file.modified_s))
            if file.refusal:
                yield found.unread(file.refusal)
            else:
                refusal = refuse(file.content, limits.max_pixels, limits.min_side, fault)
                yield found.read(file.content, refusal)

    def check(batches: Frames) -> Frames:
        for batch in batches:
            for path, start, stop, shadowed, links, records in batch.itertuples(index=False):
                of_range = (tuple(shadowed), tuple(Link(*link) for link in links))
                part = TarRange(start, stop, *of_range, tuple(map(tuple, json.loads(records))))
                yield from frames(rows(path, part))

    # One function reads and checks, so that photos go from Python to Spark once.
    return ranges.select(*RANGE_NAMES).mapInPandas(check, CHECKED)


def _planner(access: StoreAccess) -> Callable[[Frames], Frames]:
    range_bytes = RANGE_BYTES

    def plan(batches: Frames) -> Frames:
        for batch in batches:
            for path, length in batch.itertuples(index=False):
                file = SeekableFile(access.open(), absolute(path), length)
                try:
                    ranges = plan_ranges(io.BufferedReader(file, HEADER_BYTES), range_bytes)
                except ArchiveError as error:
                    raise _unreadable(path, error) from error
                rows = [_range_row(path, part) for part in ranges]
                yield pd.DataFrame(rows, columns=[*RANGE_NAMES, "size_bytes", "is_mixed"])

    return plan


def _range_row(path: str, part: TarRange) -> Row:
    links = [list(link) for link in part.links]
    of_range = (path, part.start, part.stop, list(part.shadowed), links)
    return *of_range, json.dumps(part.records), part.weight, part.is_mixed


def _files(files: Files, path: str, part: TarRange) -> Iterator[File]:
    def open_part(start: int, stop: int) -> IO[bytes]:
        return io.BufferedReader(files.open_range(absolute(path), start, stop))

    try:
        with open_part(part.start, part.stop) as opened:
            yield from read_range(opened, part, open_part)
    except ArchiveError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: ArchiveError) -> InputError:
    return InputError(
        f"ingest_photos.source: {path} cannot be read as a tar ({error}); "
        "give a complete, uncompressed tar"
    )
