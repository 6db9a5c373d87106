"""What a file is by its first bytes, to name archives and others that are given by mistake.

Sources: the formats' own specifications, and the list of signatures of `file` (magic).
"""

_UNPACK = "unpack it, or pack what is in it with gzip or bzip2"
_STARTS = {
    b"PK\x03\x04": f"a zip archive; {_UNPACK}",
    b"PK\x05\x06": "an empty zip archive",
    b"\xfd7zXZ\x00": f"packed with xz; {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"packed with zstd; {_UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"a 7z archive; {_UNPACK}",
    b"Rar!\x1a\x07": f"a rar archive; {_UNPACK}",
    b"\x04\x22\x4d\x18": f"packed with lz4; {_UNPACK}",
    b"LZIP": f"packed with lzip; {_UNPACK}",
    b"\x1f\x9d": f"packed with compress (.Z); {_UNPACK}",
    b"\xff\x06\x00\x00sNaPpY": f"packed with snappy; {_UNPACK}",
    b"\x1f\x8b": "packed with gzip twice; unpack it once",
    b"BZh": "packed with bzip2 twice; unpack it once",
    b"\xff\xfe\x00\x00": "text in UTF-32; write it in UTF-8",
    b"\x00\x00\xfe\xff": "text in UTF-32; write it in UTF-8",
    b"\xff\xfe": "text in UTF-16; write it in UTF-8",
    b"\xfe\xff": "text in UTF-16; write it in UTF-8",
    b"version https://git-lfs": "a pointer of Git LFS, not the file; fetch it with git lfs pull",
    b"<!DOCTYPE html": "a page of HTML, not the file; look at it, and fetch the file again",
    b"<!doctype html": "a page of HTML, not the file; look at it, and fetch the file again",
    b"<html": "a page of HTML, not the file; look at it, and fetch the file again",
    b"PAR1": "a Parquet file",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"SQLite format 3\x00": "an SQLite database",
}
_TAR_MARK, _TAR_PLACE = b"ustar", 257


def other_file(head: bytes) -> str | None:
    """What a file is that is none of those wanted, and what to do; None where nothing is known.

    Args:
        head: its first bytes, 300 or more of them if there are; unpacked, if it was packed.
    """
    if head[_TAR_PLACE:].startswith(_TAR_MARK):
        return f"a tar archive; {_UNPACK}"
    return next((what for start, what in _STARTS.items() if head.startswith(start)), None)
