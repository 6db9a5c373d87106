"""CIFAR-10 and CIFAR-100 to photos: each record of their binary version becomes a PNG."""

import re
from collections.abc import Callable, Iterator, Set
from dataclasses import astuple

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config.photos import PhotoSource
from devise_lib.reasons import Reason
from devise_lib.spark.ingest.checks import Limits
from devise_lib.spark.ingest.cifar_files import BinFile, CifarFiles, read_pieces
from devise_lib.spark.ingest.rows import (
    CHECKED,
    Found,
    Frames,
    Row,
    make_photo_id,
    microseconds,
    refuse,
)
from devise_lib.spark.ingest.sources import shown_path
from devise_lib.storage.stores import StoreAccess, this_access
from devise_lib.vision.archives.cifar import decode_records, encode_png, is_for_testing
from devise_lib.vision.archives.tar_photos import MEMBER
from devise_lib.vision.images.decode import Refusal

BATCH_RECORDS = 500
RANGE_RECORDS = 5_000  # per task; in an archive a task reads a whole member
PARTS = "path string, member string, size long, modified_s double, start long, stop long"


def plan_cifar(
    spark: SparkSession, found: CifarFiles, changed: Set[str], include: str
) -> DataFrame:
    """Cut the files into ranges of records: the columns PARTS, `digest` and `size_bytes`.

    Args:
        spark: the session.
        found: what the source holds.
        changed: paths, in the form of PHOTOS, of the files to read; of an archive all files are
            read.
        include: a regular expression for the paths of the files of records.
    """
    step = RANGE_RECORDS * found.layout.record_bytes
    parts = [
        (*astuple(file), start, min(start + step, file.size) if not file.member else file.size)
        for file in found.bins
        if shown_path(file.path) in changed and re.search(include, file.shown_path)
        for start in (range(0, max(file.size, 1), step) if not file.member else (0,))
    ]
    return spark.createDataFrame(parts, PARTS).withColumns(
        {
            "digest": F.sha2(F.concat_ws("!", "path", "member", "start"), 256),
            "size_bytes": F.col("stop") - F.col("start"),
        }
    )


def check_cifar(
    ranges: DataFrame, source: PhotoSource, found: CifarFiles, limits: Limits
) -> DataFrame:
    """Return the records of ranges as rows of CHECKED, labelled with the names of their classes.

    The photo_id is made from the source's name, the file's name and the record's number in it.
    Records of the test files have a test_share of 1 and the others of 0, unless the source has one
    of its own. Refused with a reason are: a record whose class has no name, bytes after the last
    whole record of a file, and an empty file.

    Args:
        ranges: the columns PARTS.
        source: the configuration of the source.
        found: what the source holds.
        limits: of a photo's size.
    """
    read = _reader(this_access(), found, source, (limits.max_pixels, limits.min_side))
    wanted = ranges.select("path", "member", "size", "modified_s", "start", "stop")
    return wanted.mapInPandas(read, CHECKED)


def _reader(
    access: StoreAccess, found: CifarFiles, source: PhotoSource, limits: tuple[int, int]
) -> Callable[[Frames], Frames]:
    record_bytes = found.layout.record_bytes

    def read(batches: Frames) -> Frames:
        for batch in batches:
            for path, member, size, modified_s, start, stop in batch.itertuples(index=False):
                file = BinFile(path, member, size, modified_s)
                number = start // record_bytes
                pieces = read_pieces(access, file, start, stop, BATCH_RECORDS * record_bytes)
                for piece in pieces if size else [b""]:
                    rows = list(_rows(piece, number, file, found, source, limits))
                    number += len(rows)
                    yield pd.DataFrame(rows, columns=CHECKED.names)

    return read


def _rows(
    piece: bytes,
    first: int,
    file: BinFile,
    found: CifarFiles,
    source: PhotoSource,
    limits: tuple[int, int],
) -> Iterator[Row]:
    """Give the records of a piece as rows of CHECKED, and left-over bytes as a refused one."""
    record_bytes, names = found.layout.record_bytes, found.classes
    own_share = 1.0 if is_for_testing(file.name) else 0.0

    def row(number: int, label: str | None, content: bytes, refusal: Refusal | None) -> Row:
        found = Found(
            photo_id=make_photo_id(source.name, f"{file.name}{MEMBER}{number}"),
            photo_set=source.name,
            path=f"{file.shown_path}{MEMBER}{number}",
            label=label,
            owner=None,
            test_share=own_share if source.test_share is None else source.test_share,
            size_bytes=None,
            modified_us=microseconds(file.modified_s),
        )
        return found.read(content, refusal)

    rest = len(piece) % record_bytes
    classes, pixels = decode_records(piece[: len(piece) - rest], found.layout)
    for offset, index in enumerate(classes.tolist()):
        label = names[index] if index < len(names) else None
        fault = "" if label else f"it is of class {index}, but there are {len(names)} names"
        content = encode_png(pixels[offset])
        yield row(first + offset, label, content, refuse(content, *limits, fault))
    if rest:
        message = f"the file ends {rest:,} bytes behind a record, and one has {record_bytes:,}"
        refusal = Refusal(Reason.TRUNCATED, message)
        yield row(first + len(classes), None, piece[len(piece) - rest :], refusal)
    if not piece:
        yield row(0, None, b"", refuse(b"", *limits))
