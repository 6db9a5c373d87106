"""Archives and packed files that are not opened, told by their first bytes.

Sources: the formats' own specifications, and the list of signatures of `file` (magic).
"""

HEAD_BYTES = 300  # enough for every kind
TAR = "a tar archive"
_TAR_MARK, _TAR_PLACE = b"ustar", 257
_KINDS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ\x00", "packed with xz"),
    (b"\x5d\x00\x00", "packed with lzma"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"\x04\x22\x4d\x18", "packed with lz4"),
    (b"LZIP", "packed with lzip"),
    (b"\x1f\x9d", "packed with compress (.Z)"),
    (b"\xff\x06\x00\x00sNaPpY", "packed with snappy"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"!<arch>\n", "an ar archive"),
    (b"070701", "a cpio archive"),
    (b"070707", "a cpio archive"),
)


def archive_kind(head: bytes) -> str:
    """What an archive or packed file is, in words: "a zip archive"; "" for anything else.

    Args:
        head: the first HEAD_BYTES of the file, or more.
    """
    if head[_TAR_PLACE:].startswith(_TAR_MARK):
        return TAR
    return next((kind for mark, kind in _KINDS if head.startswith(mark)), "")
