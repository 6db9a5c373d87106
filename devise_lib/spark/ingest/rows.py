"""Rows of photos on their way into PHOTOS: what every kind of source gives."""

import hashlib
import math
from collections.abc import Iterable, Iterator

import pandas as pd
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from devise_lib.archive_kinds import TAR, archive_kind
from devise_lib.reasons import Reason
from devise_lib.spark.tables.schemas import PHOTOS
from devise_lib.vision.archives.tar_photos import MEMBER
from devise_lib.vision.images.decode import Refusal, inspect

LEAST_TIME_S, GREATEST_TIME_S = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
FRAME_FILES, FRAME_BYTES = 100, 16 << 20  # at most, but for one large file

# A file as it is listed. Times go through Python as microseconds: as timestamps they would pass
# through the session's time zone, where an hour a year is there twice.
LISTED = StructType(
    [
        *(PHOTOS[name] for name in ("photo_id", "photo_set", "path", "label", "owner")),
        *(PHOTOS[name] for name in ("test_share", "size_bytes")),
        StructField("modified_us", LongType()),
        PHOTOS["sha256"],  # of the bytes that a table holds; null where they would have to be read
        StructField("fault", StringType()),  # why it has no label where it should have one, or ""
    ]
)
# A file that was read: what tells against it in reason and message.
CHECKED = StructType(
    [
        *(field for field in LISTED if field.name != "fault"),
        StructField("content", BinaryType()),
        StructField("reason", StringType()),
        StructField("message", StringType()),
    ]
)

Row = tuple[object, ...]
Frames = Iterator[pd.DataFrame]


def frames(rows: Iterable[Row], names: list[str], content_at: int) -> Frames:
    """Rows as frames of at most FRAME_FILES rows and FRAME_BYTES bytes, but for one large file.

    Args:
        rows: tuples.
        names: of their columns.
        content_at: which of them holds a file's bytes, or None.
    """
    held: list[Row] = []
    held_bytes = 0
    for row in rows:
        content = row[content_at]
        size = len(content) if isinstance(content, bytes) else 0
        if held and (len(held) == FRAME_FILES or held_bytes + size > FRAME_BYTES):
            yield pd.DataFrame(held, columns=names)
            held, held_bytes = [], 0
        held.append(row)
        held_bytes += size
    if held:
        yield pd.DataFrame(held, columns=names)


def photo_row(
    *,
    photo_id: str,
    photo_set: str,
    path: str,
    label: str | None,
    owner: str | None,
    test_share: float | None,
    modified_us: int | None,
    content: bytes,
    refusal: Refusal | None,
    keep_content: bool = True,
) -> Row:
    """A row of CHECKED of a file whose bytes there are."""
    return (
        photo_id,
        photo_set,
        path,
        label,
        owner,
        test_share,
        len(content),
        modified_us,
        hashlib.sha256(content).hexdigest(),
        content if keep_content and refusal is None else None,
        refusal.reason.value if refusal else None,
        refusal.message if refusal else None,
    )


def refused_row(
    known: Row, size_bytes: int | None, modified_us: int | None, reason: str, message: str
) -> Row:
    """A row of CHECKED of a file whose bytes were not read.

    Args:
        known: photo_id, photo_set, path, label, owner, test_share.
        size_bytes, modified_us: of the file, as far as they are known.
        reason, message: why it was not read.
    """
    return (*known, size_bytes, modified_us, None, None, reason, message)


def refuse(
    content: bytes, max_pixels: int, min_side: int, missing_label: str = ""
) -> Refusal | None:
    """What tells against a photo: its header, or that it should have a label and has none.

    Args:
        content: the file.
        max_pixels, min_side: see devise_lib.vision.images.decode.
        missing_label: why there is no label where there should be one, else "".
    """
    found = inspect(content, max_pixels, min_side)
    if found and found.reason == Reason.NOT_AN_IMAGE and (kind := archive_kind(content)):
        message = f"it is {kind}, which is not opened: unpack it, or pack it as a .tar"
        if kind == TAR:
            message = f"it is {kind}, which is not opened: its name does not end in .tar"
        return Refusal(Reason.UNSUPPORTED_FORMAT, message)
    return found or (Refusal(Reason.NO_LABEL, missing_label) if missing_label else None)


def make_photo_id(photo_set: str, relative_path: str) -> str:
    """The same id wherever the source lies: 32 hexadecimal digits."""
    return hashlib.sha256(f"{photo_set}/{relative_path}".encode()).hexdigest()[:32]


def relative_path(path: str, root: str) -> str:
    """A photo's path within its source, the same for a folder and for a tar of that name."""
    below = path.removeprefix(root)
    below = below.removeprefix("/" if below.startswith("/") else MEMBER)
    return below.replace(f".tar{MEMBER}", "/")


def microseconds(modified_s: float) -> int:
    """A time in seconds since the epoch as the tables have it.

    A time that no calendar has, as damaged file systems and archives tell, is the nearest that
    readers of the tables can show; what is no number at all is the epoch.
    """
    if math.isnan(modified_s):
        return 0
    return round(min(max(modified_s, LEAST_TIME_S), GREATEST_TIME_S) * 1e6)
