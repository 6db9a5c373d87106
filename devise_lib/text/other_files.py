"""What a file is that was given by mistake in place of a text, and what to do."""

from devise_lib.archive_kinds import archive_kind

_STARTS = {
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


def other_file(head: bytes, opened: str) -> str | None:
    """What a file is that is none of those wanted, and what to do; None where nothing is known.

    Args:
        head: its first bytes, 300 or more of them if there are; unpacked, if it was packed.
        opened: the packings that are opened, in words: "gzip or bzip2".
    """
    if kind := archive_kind(head):
        if any(kind.endswith(packing) for packing in opened.split(" or ")):
            return f"{kind} twice; unpack it once"
        return f"{kind}; unpack it, or pack what is in it with {opened}"
    return next((what for start, what in _STARTS.items() if head.startswith(start)), None)
