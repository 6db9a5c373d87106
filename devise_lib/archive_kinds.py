"""Recognises archives, and substitutes for a file such as a web page, by their first bytes.

Sources: the formats' own specifications, and the list of signatures of `file` (magic).
"""

import re

HEAD_BYTES = 300  # enough for every kind
TAR, ZIP = "a tar archive", "a zip archive"
_KINDS = [  # too long for a text to begin so by chance
    (re.compile(mark, re.DOTALL), kind)
    for mark, kind in (
        (rb".{257}ustar", TAR),
        (rb"PK\x03\x04", ZIP),
        (rb"PK\x05\x06", "an empty zip archive"),
        (rb"\x1f\x8b", "packed with gzip"),
        (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "packed with bzip2"),
        (rb"\xfd7zXZ\x00", "packed with xz"),
        (rb"\x5d\x00\x00", "packed with lzma"),
        (rb"\x28\xb5\x2f\xfd", "packed with zstd"),
        (rb"\x04\x22\x4d\x18", "packed with lz4"),
        (rb"LZIP[\x00\x01]", "packed with lzip"),
        (rb"\x1f\x9d", "packed with compress (.Z)"),
        (rb"\xff\x06\x00\x00sNaPpY", "packed with snappy"),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (rb"Rar!\x1a\x07", "a rar archive"),
        (rb"!<arch>\n", "an ar archive"),
        (rb"0707(?:01|02|07)[0-9A-Fa-f]{20}", "a cpio archive"),
    )
]

_SUBSTITUTES = [
    (re.compile(mark, re.IGNORECASE), what)
    for mark, what in (
        (
            rb"version https://git-lfs",
            "a pointer of Git LFS, not the file; fetch it with git lfs pull",
        ),
        (
            rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype )?html[\s>]",
            "a page of HTML, not the file; look at it, and fetch the file again",
        ),
    )
]


def archive_kind(head: bytes) -> str:
    """Describes an archive or compressed file, such as "a zip archive"; "" for anything else.

    Args:
        head: the first HEAD_BYTES of the file, or more.
    """
    return next((kind for mark, kind in _KINDS if mark.match(head)), "")


def is_keras_file(head: bytes) -> bool:
    """Returns whether a network's file is a .keras file, which is a zip, and no frozen graph.

    Args:
        head: the first HEAD_BYTES of the file, or more.
    """
    return archive_kind(head[:HEAD_BYTES]) == ZIP


def substitute_kind(head: bytes) -> str:
    """Describes what a download returned in place of the file, and says what to do; "" for others.

    Args:
        head: the first HEAD_BYTES of the file, or more.
    """
    return next((what for mark, what in _SUBSTITUTES if mark.match(head)), "")
