"""Reads files into rows of CHECKED: many threads per task, each file judged by its header."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame

from devise_lib.config.photos import IngestPhotos
from devise_lib.photo_limits import PREFETCH_BYTES
from devise_lib.reasons import Reason
from devise_lib.spark.ingest.rows import CHECKED, Found, Frames, Row, frames, refuse
from devise_lib.spark.ingest.sources import Place
from devise_lib.spark.photos.reading import make_reader
from devise_lib.vision.images.decode import Refusal
from devise_lib.vision.prefetch import PrefetchLimits, prefetch_map

ROW_BYTES = 10_000  # least weight of a file in work


@dataclass(frozen=True)
class Limits:
    """The configuration that decides about a file.

    Attributes:
        max_pixels, min_side: limits of a photo's size, in pixels.
        max_content_bytes: larger files stay at their paths; PHOTOS does not store their bytes.
        read_threads: threads per task.
        read_timeout_s: seconds after which a file is refused.
    """

    max_pixels: int
    min_side: int
    max_content_bytes: int
    read_threads: int
    read_timeout_s: float

    @classmethod
    def of(cls, config: IngestPhotos) -> "Limits":
        """Return the limits of a job's configuration."""
        sides = (config.max_pixels, config.min_side)
        reading = (config.read_threads, config.read_timeout_s)
        return cls(*sides, config.max_content_bytes, *reading)


def check_files(items: DataFrame, place: Place, limits: Limits) -> DataFrame:
    """Read and check listed files, and return rows of CHECKED.

    A file that cannot be read gives a row with a reason. A file that has been deleted since the
    listing gives no row, because it no longer belongs to the source.

    Args:
        items: rows of LISTED, with `content` where a table holds the bytes.
        place: their source.
        limits: what is refused, and how files are read.
    """
    has_content = "content" in items.columns
    wanted = items.select(*Found._fields, "fault", *(["content"] if has_content else []))
    threads = 1 if has_content else limits.read_threads
    from_table = place.source.kind == "table"
    stays_at_path = not from_table or bool(place.source.columns.path)

    def check(batches: Frames) -> Frames:
        read = make_reader(place.access)

        def work(item: Any) -> Row:
            content = bytes(item.content) if has_content else read(item.path)
            return _row(item, content, limits, stays_at_path)

        def late(item: Any) -> Row:
            message = f"{item.path} was not read within {limits.read_timeout_s:g} s"
            return _row(item, Refusal(Reason.TIME_OUT, message), limits, stays_at_path)

        rows = prefetch_map(
            work,
            (item for batch in batches for item in batch.itertuples(index=False)),
            PrefetchLimits(threads, PREFETCH_BYTES, limits.read_timeout_s),
            weigh=lambda item: (
                ROW_BYTES + (0 if pd.isna(item.size_bytes) else int(item.size_bytes))
            ),
            late=late,
        )
        kept = (row for row in rows if from_table or row[-2] != Reason.MISSING_FILE)
        yield from frames(kept)

    return wanted.mapInPandas(check, CHECKED)


def _row(item: Any, read: bytes | Refusal, limits: Limits, stays_at_path: bool) -> Row:
    found = Found(*item[: len(Found._fields)])
    if isinstance(read, Refusal):
        return found.unread(read)
    refusal = refuse(read, limits.max_pixels, limits.min_side, item.fault)
    return found.read(read, refusal, not stays_at_path or len(read) <= limits.max_content_bytes)
