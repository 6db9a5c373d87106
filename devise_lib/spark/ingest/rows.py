"""The rows that every kind of source makes of its photos, on the way to PHOTOS."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pandas as pd
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from devise_lib.archive_kinds import TAR, archive_kind
from devise_lib.reasons import Reason
from devise_lib.spark.tables.schemas import PHOTOS
from devise_lib.vision.archives.tar_photos import MEMBER
from devise_lib.vision.images.decode import Refusal, inspect

LEAST_TIME_S, GREATEST_TIME_S = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
FRAME_ROWS, FRAME_BYTES = 100, 16 << 20  # limits of a frame; one file may be larger

# A listed file. Its time is in microseconds, because Python would convert a timestamp through the
# session's time zone, in which one hour per year occurs twice.
LISTED = StructType(
    [
        *(PHOTOS[name] for name in ("photo_id", "photo_set", "path", "label", "owner")),
        *(PHOTOS[name] for name in ("test_share", "size_bytes")),
        StructField("modified_us", LongType()),
        PHOTOS["sha256"],  # of bytes that a table holds; null where the file must be read for it
        StructField("fault", StringType()),  # why a required label is missing, or ""
    ]
)
# A file that was read; `reason` and `message` say why it is refused, if it is.
CHECKED = StructType(
    [
        *(field for field in LISTED if field.name != "fault"),
        StructField("content", BinaryType()),
        StructField("reason", StringType()),
        StructField("message", StringType()),
    ]
)

_CONTENT = CHECKED.names.index("content")

Row = tuple[object, ...]
Frames = Iterator[pd.DataFrame]


class Found(NamedTuple):
    """A file of a source before it is read: the first columns of CHECKED.

    Its size and time, in bytes and microseconds, are None where they are not known.
    """

    photo_id: str
    photo_set: str
    path: str
    label: str | None
    owner: str | None
    test_share: float | None
    size_bytes: int | None
    modified_us: int | None

    def read(self, content: bytes, refusal: Refusal | None, keep_content: bool = True) -> Row:
        """Return the row of CHECKED of a file whose bytes are known.

        The bytes are stored in the row if `keep_content` is set and the file is not refused.
        """
        digest = hashlib.sha256(content).hexdigest()
        stored = content if keep_content and refusal is None else None
        why = (refusal.reason.value, refusal.message) if refusal else (None, None)
        return (*self._replace(size_bytes=len(content)), digest, stored, *why)

    def unread(self, refusal: Refusal) -> Row:
        """Return the row of CHECKED of a file whose bytes were not read."""
        return (*self, None, None, refusal.reason.value, refusal.message)


def frames(rows: Iterable[Row]) -> Frames:
    """Give rows of CHECKED as frames of at most FRAME_ROWS rows and FRAME_BYTES, or one larger."""
    held: list[Row] = []
    held_bytes = 0
    for row in rows:
        content = row[_CONTENT]
        size = len(content) if isinstance(content, bytes) else 0
        if held and (len(held) == FRAME_ROWS or held_bytes + size > FRAME_BYTES):
            yield pd.DataFrame(held, columns=CHECKED.names)
            held, held_bytes = [], 0
        held.append(row)
        held_bytes += size
    if held:
        yield pd.DataFrame(held, columns=CHECKED.names)


def refuse(
    content: bytes, max_pixels: int, min_side: int, missing_label: str = ""
) -> Refusal | None:
    """Return why a photo is refused: by its header, or for a missing label; None if it is good.

    Args:
        content: the file.
        max_pixels: the most pixels that a photo may have.
        min_side: the least width and height, in pixels.
        missing_label: why a required label is missing, else "".
    """
    found = inspect(content, max_pixels, min_side)
    if found and found.reason == Reason.NOT_AN_IMAGE and (kind := archive_kind(content)):
        message = f"it is {kind}, which is not opened: unpack it, or pack it as a .tar"
        if kind == TAR:
            message = f"it is {kind}, which is not opened: its name does not end in .tar"
        return Refusal(Reason.UNSUPPORTED_FORMAT, message)
    return found or (Refusal(Reason.NO_LABEL, missing_label) if missing_label else None)


def make_photo_id(photo_set: str, relative_path: str) -> str:
    """Return an id of 32 hexadecimal digits, which does not depend on where the source lies."""
    return hashlib.sha256(f"{photo_set}/{relative_path}".encode()).hexdigest()[:32]


def relative_path(path: str, root: str) -> str:
    """Return a photo's path within its source, the same in a folder and in a tar of its name."""
    below = path.removeprefix(root)
    below = below.removeprefix("/" if below.startswith("/") else MEMBER)
    return below.replace(f".tar{MEMBER}", "/")


def microseconds(modified_s: float) -> int:
    """Return a time in seconds since the epoch as microseconds, as the tables have it.

    Damaged file systems and archives may give times outside every calendar. They become the nearest
    time that readers of the tables can show; what is no number becomes the epoch.
    """
    if math.isnan(modified_s):
        return 0
    return round(min(max(modified_s, LEAST_TIME_S), GREATEST_TIME_S) * 1e6)
