"""Rows of photos on their way into PHOTOS: what every kind of source gives."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
from pyspark.sql.types import StringType, StructField, StructType

from devise_lib.spark.schemas import PHOTOS
from devise_lib.vision.archives import MEMBER
from devise_lib.vision.images import Reason, Refusal, inspect

FRAME_FILES, FRAME_BYTES = 100, 16 << 20  # at most, but for one large file
FILES = "path string, modification_time timestamp, content binary"

# Rows of PHOTOS, with reason and message where something tells against one.
CHECKED = StructType(
    [
        *PHOTOS.fields,
        StructField("reason", StringType()),
        StructField("message", StringType()),
    ]
)


def file_frames(files: Iterable[tuple[str, float, bytes]]) -> Iterator[pd.DataFrame]:
    """Files as frames of FILES, a few at a time.

    Args:
        files: path, time of the last change in seconds since the epoch, bytes.
    """
    held: list[tuple[str, pd.Timestamp, bytes]] = []
    for path, modified_s, content in files:
        held.append((path, utc(modified_s), content))
        if len(held) == FRAME_FILES or sum(len(row[2]) for row in held) > FRAME_BYTES:
            yield pd.DataFrame(held, columns=["path", "modification_time", "content"])
            held = []
    if held:
        yield pd.DataFrame(held, columns=["path", "modification_time", "content"])


def photo_row(
    *,
    photo_set: str,
    path: str,
    relative: str,
    label: str | None,
    test_share: float | None,
    modification_time: pd.Timestamp,
    content: bytes,
    refusal: Refusal | None,
) -> tuple[object, ...]:
    """A row of CHECKED; photo_id is made of the set and `relative`, the path within its source."""
    return (
        make_photo_id(photo_set, relative),
        photo_set,
        path,
        label,
        test_share,
        len(content),
        modification_time,
        hashlib.sha256(content).hexdigest(),
        content,
        refusal.reason.value if refusal else None,
        refusal.message if refusal else None,
    )


def refuse(
    content: bytes, max_pixels: int, min_side: int, missing_label: str = ""
) -> Refusal | None:
    """What tells against a photo: its header, or that it should have a label and has none.

    Args:
        content: the file.
        max_pixels, min_side: see devise_lib.vision.images.
        missing_label: why there is no label where there should be one, else "".
    """
    found = inspect(content, max_pixels, min_side)
    return found or (Refusal(Reason.NO_LABEL, missing_label) if missing_label else None)


def make_photo_id(photo_set: str, relative_path: str) -> str:
    """The same id wherever the source lies: 32 hexadecimal digits."""
    return hashlib.sha256(f"{photo_set}/{relative_path}".encode()).hexdigest()[:32]


def relative_path(path: str, root: str) -> str:
    """A photo's path within its source, the same for a folder and for a tar of that name."""
    return path.removeprefix(root).lstrip("/" + MEMBER).replace(f".tar{MEMBER}", "/")


def local_path(path: str) -> Path | None:
    """The absolute path of a source on this machine; None for one in another store."""
    plain = path.removeprefix("file://").removeprefix("file:")
    return None if "://" in plain else Path(os.path.abspath(plain))  # keeps links, as Spark does


def spark_root(path: str) -> str:
    """A source's path as Spark's file sources write it, so that it can be cut off."""
    local = local_path(path)
    return path.rstrip("/") if local is None else f"file:{local}"


def utc(modified_s: float) -> pd.Timestamp:
    """A time in seconds since the epoch as the tables have it."""
    return pd.Timestamp(modified_s, unit="s", tz="UTC")
