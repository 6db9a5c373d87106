"""Tars of photos of any size: cut into ranges of members, one task a range."""

import io
from collections.abc import Callable, Iterator
from typing import IO

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.spark.hadoop_files import WorkerFiles
from devise_lib.spark.photo_checking import Limits
from devise_lib.spark.photo_rows import CHECKED, FILES, Frames, file_frames, photo_row, refuse
from devise_lib.spark.photo_sources import Place, make_describer
from devise_lib.text.files import SeekableFile
from devise_lib.vision.archives import MEMBER, ArchiveError, TarRange, plan_ranges, read_range

RANGE_BYTES = 8 << 20  # so that a small tar keeps several cores busy, too
HEADER_BYTES = 4096  # read at once while headers are looked at
RANGES = "path string, start long, stop long, shadowed array<long>"


def plan_archives(archives: DataFrame, place: Place) -> DataFrame:
    """Ranges of tars, for `check_ranges`: RANGES, with `digest` and `size_bytes`.

    A task looks at the headers of a tar: neither a tar nor the list of its members is ever on the
    driver.

    Args:
        archives: path, size_bytes.
        place: the source that they belong to.
    """
    slots = archives.sparkSession.sparkContext.defaultParallelism
    some = archives.select("path", "size_bytes").repartition(4 * slots)
    ranges = some.mapInPandas(_planner(place.opener), RANGES)
    return ranges.withColumns(
        {
            "digest": F.sha2(F.concat_ws("!", "path", "start"), 256),
            "size_bytes": F.col("stop") - F.col("start"),
        }
    )


def check_ranges(ranges: DataFrame, place: Place, limits: Limits) -> DataFrame:
    """The files of ranges, and those of tars within them, as rows of CHECKED, one at a time.

    Their bytes are always kept: no other reader finds a member by its path.
    """
    wanted = ranges.select("path", "start", "stop", "shadowed")
    files = wanted.mapInPandas(_reader(place.opener), FILES)
    source, describe = place.source, make_describer(place)

    def check(batches: Frames) -> Frames:
        for batch in batches:
            rows = []
            for path, modified_us, content in batch.itertuples(index=False):
                if not place.takes(path):
                    continue
                photo_id, label, owner, fault = describe(path)
                rows.append(
                    photo_row(
                        photo_id=photo_id,
                        photo_set=source.name,
                        path=path,
                        label=label,
                        owner=owner,
                        test_share=source.test_share,
                        modified_us=modified_us,
                        content=content,
                        refusal=refuse(content, limits.max_pixels, limits.min_side, fault),
                    )
                )
            yield pd.DataFrame(rows, columns=CHECKED.names)

    return files.mapInPandas(check, CHECKED)


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
