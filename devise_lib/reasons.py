"""The reasons for which a photo is in quarantine, by which a retry selects photos."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """A class of reasons; its value is stored in the tables."""

    # Properties of the file:
    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    DECODE_ERROR = "decode_error"
    NOT_FINITE = "not_finite"
    NO_LABEL = "no_label"
    # Failures of reading, which may not happen again:
    MISSING_FILE = "missing_file"
    PERMISSION = "permission"
    READ_ERROR = "read_error"
    TIME_OUT = "time_out"
    CHANGED = "changed"
    REMOVED = "removed"
    # Properties of an embedding, which is made again from its photo:
    WRONG_LENGTH = "wrong_length"
    ZERO_VECTOR = "zero_vector"
    DUPLICATE_ID = "duplicate_id"


@dataclass(frozen=True)
class Explanation:
    """What a reason tells the user.

    Attributes:
        jobs: the jobs that refuse photos for it.
        meaning: what is wrong with the photo.
        remedy: what to do.
    """

    jobs: tuple[str, ...]
    meaning: str
    remedy: str


_INGEST, _EMBED, _INDEX = ("ingest_photos",), ("embed_photos",), ("build_index",)
_BOTH = (*_INGEST, *_EMBED)

EXPLANATIONS = {
    Reason.EMPTY: Explanation(
        _INGEST,
        "The file has no byte. A copy that was stopped often leaves such files.",
        "Copy the file again, or delete it.",
    ),
    Reason.TRUNCATED: Explanation(
        _BOTH,
        "The file is cut off within its header or its pixels. A file that lacks its end mark alone "
        "is taken, but not a JPEG of more than 32 megapixels or with padding that hides its end.",
        "Copy the file again.",
    ),
    Reason.NOT_AN_IMAGE: Explanation(
        _INGEST,
        "The file is no picture, or a member of a tar that holds no bytes. The message says what "
        "it is.",
        r"Leave such files out by the source's `include`, as in `(?i)\.(jpe?g|png)$`.",
    ),
    Reason.UNSUPPORTED_FORMAT: Explanation(
        _INGEST,
        "The file is a picture of a kind that is not read (PDF, SVG, HEIC, TIFF of RGB floats), "
        "or an archive that is not opened. The message names the kind.",
        "Convert it to JPEG or PNG, unpack the archive, or leave it out by the source's `include`.",
    ),
    Reason.TOO_LARGE: Explanation(
        _BOTH,
        "The header tells of more than `ingest_photos.max_pixels`. Both jobs refuse a file above "
        "1 GiB.",
        "Raise `ingest_photos.max_pixels`, or make the photo smaller.",
    ),
    Reason.TOO_SMALL: Explanation(
        _INGEST,
        "A side is shorter than `ingest_photos.min_side`.",
        "Lower `ingest_photos.min_side`, or leave the photo out.",
    ),
    Reason.DECODE_ERROR: Explanation(
        _BOTH,
        "The file is whole, but its header or its pixels are damaged.",
        "Replace the file.",
    ),
    Reason.NOT_FINITE: Explanation(
        (*_EMBED, *_INDEX),
        "The network gives a number that is not finite for the photo, or its embedding has one.",
        "Look at the photo. If many photos are refused so, look at the model.",
    ),
    Reason.NO_LABEL: Explanation(
        _INGEST,
        "The photo should have a label, and the source's list of labels or its class names have "
        "none for it.",
        "Complete the file `labels` or the class names.",
    ),
    Reason.MISSING_FILE: Explanation(
        _BOTH,
        "There is no file at the photo's path, or a link in a tar leads to no file of the tar.",
        "Bring the file back and run the job with `--retry missing_file`, or run ingest_photos, "
        "which marks the photo as removed.",
    ),
    Reason.PERMISSION: Explanation(
        _BOTH,
        "The job may not read the file.",
        "Give the job the right to read it, then run the job with `--retry permission`.",
    ),
    Reason.READ_ERROR: Explanation(
        _BOTH,
        "Reading the file failed. The message has the error.",
        "Run the job with `--retry read_error` once the disk or the store works.",
    ),
    Reason.TIME_OUT: Explanation(
        _BOTH,
        "Reading the photo, or at embed_photos decoding it, took longer than `read_timeout_s`.",
        "Run the job with `--retry time_out`, or raise `read_timeout_s`.",
    ),
    Reason.CHANGED: Explanation(
        _EMBED,
        "The file at the path has other bytes than those that were ingested.",
        "Run ingest_photos again, then embed_photos.",
    ),
    Reason.REMOVED: Explanation(
        _EMBED,
        "The file was gone when its source was last ingested, and PHOTOS does not hold its bytes. "
        "This is no fault, so it does not count for `max_bad_share`.",
        "Nothing.",
    ),
    Reason.WRONG_LENGTH: Explanation(
        _INDEX,
        "The photo's embedding has another length than most of its model, or is null. "
        "`embed_photos` writes no such rows.",
        "Delete the rows from EMBEDDINGS and run embed_photos, then build_index.",
    ),
    Reason.ZERO_VECTOR: Explanation(
        _INDEX,
        "All numbers of the photo's embedding are 0, so it has no direction.",
        "Look at the photo. If many photos are refused so, look at the model.",
    ),
    Reason.DUPLICATE_ID: Explanation(
        _INDEX,
        "EMBEDDINGS has several rows of the photo and the model. One of them is indexed. "
        "`embed_photos` writes no such rows.",
        "Delete all rows of the photo from EMBEDDINGS and run embed_photos, then build_index.",
    ),
}


def worst_reason(reasons: Mapping[str, int], total: int, max_share: float) -> str:
    """Returns the most frequent reason if more than `max_share` of `total` is refused; else ""."""
    if sum(reasons.values()) <= max_share * total:
        return ""
    return max(reasons, key=lambda reason: reasons[reason])
