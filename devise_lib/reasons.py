"""The reasons for which a photo is in quarantine, by which a retry selects photos."""

from enum import StrEnum


class Reason(StrEnum):
    """A class of reasons; its value is stored in the tables."""

    # Properties of the file:
    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_LARGE = "too_large"  # by its header
    TOO_SMALL = "too_small"
    DECODE_ERROR = "decode_error"
    NOT_FINITE = "not_finite"  # the network's output for it
    NO_LABEL = "no_label"  # its list, or its data set's class names, have none for it
    # Failures of reading, which may not happen again:
    MISSING_FILE = "missing_file"
    PERMISSION = "permission"
    READ_ERROR = "read_error"
    TIME_OUT = "time_out"
    CHANGED = "changed"  # its bytes are not those that were ingested
    REMOVED = "removed"  # ingest_photos found it deleted, too; not counted as bad
