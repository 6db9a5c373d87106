"""Tars of every kind for tests: made member by member, as tarfile's own writer does not."""

import io
import tarfile
from collections.abc import Iterable
from typing import NamedTuple

from devise_lib.vision.archives.tar_photos import File, read_range
from devise_lib.vision.archives.tar_ranges import plan_ranges

TIME = 1_600_000_000
END = bytes(2 * tarfile.BLOCKSIZE)  # the mark at the end of a tar


class Piece(NamedTuple):
    """A member: its name, its bytes, its type, and where it leads to if it is a link."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""


def member(piece: Piece, fmt: int = tarfile.GNU_FORMAT, **records: str) -> bytes:
    """The headers and bytes of a member, with PAX records of its own."""
    header = tarfile.TarInfo(piece.name)
    header.type, header.linkname, header.mtime = piece.type, piece.link, TIME
    header.size = len(piece.content)
    header.pax_headers = records
    padding = -len(piece.content) % tarfile.BLOCKSIZE
    return header.tobuf(fmt) + piece.content + bytes(padding)


def tar_of(*pieces: Piece, fmt: int = tarfile.GNU_FORMAT, end: bytes = END) -> bytes:
    """A tar with these members."""
    return b"".join(member(piece, fmt) for piece in pieces) + end


def files_of(data: bytes, range_bytes: int = 1 << 30) -> list[File]:
    """What a tar gives, read in ranges of so many bytes."""

    def open_part(start: int, stop: int) -> io.BytesIO:
        return io.BytesIO(data[start:stop])

    return [
        file
        for part in plan_ranges(io.BytesIO(data), range_bytes)
        for file in read_range(open_part(part.start, part.stop), part, open_part)
    ]


def contents(files: Iterable[File]) -> dict[str, bytes]:
    """The bytes of files that were read, by name."""
    return {file.name: file.content for file in files if file.refusal is None}


def refusals(files: Iterable[File]) -> dict[str, str]:
    """The reasons of files that were not read, by name."""
    return {file.name: file.refusal.reason for file in files if file.refusal}
