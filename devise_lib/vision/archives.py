"""Tars of photos: cut into ranges of whole members, and the files of a range, tars in it opened."""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

from devise_lib.paths import printable

MEMBER = "!"  # between an archive's path and the path of a member
MAX_FILE_BYTES = 2**30  # a file is held in memory
_BLOCK = 512  # bytes of a header
_PIECE = 1 << 16


class ArchiveError(ValueError):
    """An archive that cannot be read; the message says what is wrong and where."""


@dataclass(frozen=True)
class TarRange:
    """A part of a tar that one task reads.

    Attributes:
        start, stop: its first byte, and the byte after its last; both at the header of a member.
        shadowed: where members begin whose name comes again later: as tar does, the last counts.
    """

    start: int
    stop: int
    shadowed: tuple[int, ...] = ()


@dataclass(frozen=True)
class File:
    """A file of an archive.

    Attributes:
        name: its path; of a file in an inner archive INNER!PATH.
        modified_s: time of its last change, seconds since the epoch.
        content: its bytes.
    """

    name: str
    modified_s: float
    content: bytes


def is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a dot, as .DS_Store and ._photo.jpg do."""
    return any(part.startswith(".") and part.strip(".") for part in path.split("/"))


def plan_ranges(archive: IO[bytes], range_bytes: int) -> list[TarRange]:
    """Cut a tar at members into ranges of about `range_bytes`; reads nothing but headers.

    Holds the names of all members, some 200 bytes each.

    Args:
        archive: an uncompressed tar, open at its start; it is read at many places.
        range_bytes: a range is no longer unless a member is.

    Raises:
        ArchiveError: it is no tar, is cut off, or has something else between two members.
    """
    starts: dict[str, int] = {}
    shadowed: list[int] = []
    cuts = [0]
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for member in _members(tar):
                if tar.offset - cuts[-1] > range_bytes and member.offset > cuts[-1]:
                    cuts.append(member.offset)
                name = os.path.normpath(member.name)
                if name in starts:
                    shadowed.append(starts[name])
                starts[name] = member.offset
            end = tar.offset
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveError(str(error)) from error
    archive.seek(end)
    _check_end(archive.read(_BLOCK), f"byte {end}")
    return [
        TarRange(start, stop, tuple(sorted(at for at in shadowed if start <= at < stop)))
        for start, stop in pairwise([*cuts, end])
        if start < stop
    ]


def read_range(opened: IO[bytes], part: TarRange) -> Iterator[File]:
    """The files of a range, one at a time; those of tars within it as files of theirs.

    Hidden files, links, devices and sparse members are passed over (a sparse one may claim more
    bytes than there are: it is no photo, but a bomb); nothing is written to disk.

    Args:
        opened: gives the tar's bytes from `part.start` on, forwards only.
        part: of `plan_ranges`.

    Raises:
        ArchiveError: the tar or one within it is damaged, or a file has over MAX_FILE_BYTES.
    """
    try:
        with tarfile.open(fileobj=opened, mode="r|") as tar:
            for member in _members(tar):
                at = part.start + member.offset
                if at >= part.stop:
                    return
                if at not in part.shadowed:
                    yield from _files_of(tar, member)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveError(str(error)) from error


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members in their order; iterating over `tar` itself would keep them all."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # its type stubs leave it out
        yield member


def _files_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[File]:
    name = printable(os.path.normpath(member.name))
    if not member.isfile() or member.issparse() or is_hidden(name):
        return
    content = tar.extractfile(member)
    if content is None:
        return
    if name.endswith(".tar"):  # as ILSVRC2012_img_train.tar has one for each class
        yield from _inner_files(content, name, member.size)
        return
    if member.size > MAX_FILE_BYTES:
        raise ArchiveError(
            f"{name} has {member.size:,} bytes, and files of at most {MAX_FILE_BYTES:,} are read"
        )
    yield File(name, float(member.mtime), content.read())


def _inner_files(content: IO[bytes], name: str, size: int) -> Iterator[File]:
    with tarfile.open(fileobj=content, mode="r|") as tar:
        for member in _members(tar):
            if not member.name.endswith(".tar"):  # one level: a tar in itself has no end
                for file in _files_of(tar, member):
                    yield File(f"{name}{MEMBER}{file.name}", file.modified_s, file.content)
        place = f"byte {tar.offset} of {name}"
        _check_end(b"\0" if tar.offset < size else b"", place)  # of a header it has read all
        while rest := tar.fileobj.read(_PIECE) if tar.fileobj else b"":
            _check_end(rest, place)


def _check_end(block: bytes, place: str) -> None:
    """Refuse what tarfile takes for the end of a tar: a broken header, and no end at all."""
    if not block:
        raise ArchiveError(f"it is cut off at {place}, where its end is not marked")
    if any(block):
        raise ArchiveError(f"no header of a member at {place}")
