"""Recognises files that were given by mistake in place of a text, and says what to do."""

import re

from devise_lib.archive_kinds import archive_kind, substitute_kind

_STARTS = [
    (re.compile(mark), what)
    for mark, what in (
        (rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff", "text in UTF-32; write it in UTF-8"),
        (rb"\xff\xfe|\xfe\xff", "text in UTF-16; write it in UTF-8"),
        (rb"PAR1[\x00-\x1f]", "a Parquet file"),
        (rb"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (rb"SQLite format 3\x00", "an SQLite database"),
    )
]


def other_file(head: bytes, opened: str) -> str | None:
    """Describes a file of an unwanted kind and says what to do; None for an unknown kind.

    Args:
        head: its first bytes, at least 300 if it has so many; decompressed, if the file was
            compressed.
        opened: the compressions that the caller opens, in words: "gzip or bzip2".
    """
    if kind := archive_kind(head):
        if any(kind.endswith(packing) for packing in opened.split(" or ")):
            return f"{kind} within another packing; unpack it once"
        return f"{kind}; unpack it, or pack what is in it with {opened}"
    return substitute_kind(head) or next((what for mark, what in _STARTS if mark.match(head)), None)
