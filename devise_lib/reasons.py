"""Why a photo is in quarantine: the classes that a retry names."""

from enum import StrEnum


class Reason(StrEnum):
    """A class of reasons; its value is what the tables hold."""

    # What the file is:
    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_LARGE = "too_large"  # by its header
    TOO_SMALL = "too_small"
    DECODE_ERROR = "decode_error"
    NOT_FINITE = "not_finite"  # what the network makes of it
    NO_LABEL = "no_label"  # its list, or its data set's class names, have none for it
    # How it could not be read; another time it may be:
    MISSING_FILE = "missing_file"
    PERMISSION = "permission"
    READ_ERROR = "read_error"
    TIME_OUT = "time_out"
    CHANGED = "changed"  # other bytes than those that were ingested
    REMOVED = "removed"  # ingest_photos found it gone, too: no fault, so it counts for no share
