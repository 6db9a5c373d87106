"""Reads the files of a range of a tar one at a time, and those of tars within it."""

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

from devise_lib.paths import printable
from devise_lib.photo_limits import MAX_FILE_BYTES
from devise_lib.reasons import Reason
from devise_lib.vision.archives.tar_members import (
    BLOCK,
    ArchiveError,
    Member,
    TarBytes,
    fill_holes,
    walk,
)
from devise_lib.vision.archives.tar_names import (
    MAX_NAME,
    Names,
    is_folder,
    member_name,
    records_at,
)
from devise_lib.vision.archives.tar_ranges import TAR, Link, TarRange, link_of
from devise_lib.vision.images.decode import Refusal

MEMBER = "!"  # separates an archive's path from the path of a member
MAX_SPARSE_BYTES = 64 << 20  # a sparse file may claim a thousand times the bytes that it has
_KINDS = {  # members that are no files
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
}
_CONTINUED = b"M"  # GNU tar's type for the rest of a file that begins in another volume
OpenPart = Callable[[int, int], IO[bytes]]


@dataclass(frozen=True)
class File:
    """A file of an archive.

    Attributes:
        name: its path; that of a file in an inner archive is INNER!PATH.
        modified_s: the time of its last change, seconds since the epoch.
        content: its bytes; empty if it was refused.
        refusal: why it was not read.
    """

    name: str
    modified_s: float
    content: bytes = b""
    refusal: Refusal | None = None


def is_hidden(path: str) -> bool:
    """Returns whether a part of a path begins with a dot, as in .DS_Store and ._photo.jpg."""
    return any(part.startswith(".") and part.strip(".") for part in path.split("/"))


def read_range(opened: IO[bytes], part: TarRange, open_part: OpenPart) -> Iterator[File]:
    """Yields the files of a range, one at a time, including those of tars within it.

    A link gives the contents of its target in the tar under its own name. Folders and hidden files
    are left out. Any other member without contents gives a refusal. Nothing is written to disk.

    Args:
        opened: the tar's bytes from `part.start` on; read forwards only.
        part: a range of `tar_ranges.plan_ranges`.
        open_part: opens the tar's bytes between two offsets; used for links.

    Raises:
        ArchiveError: the tar or one within it is damaged.
    """
    source = TarBytes(opened.read, part.start, part.stop)
    links, shadowed = {link.at: link for link in part.links}, set(part.shadowed)
    for member in walk(source, records_at(part.records, part.start), whole=False):
        header = member.header
        if header.offset in shadowed:
            continue
        name = printable(member_name(header.name))
        if header.issym() or header.islnk():
            if not is_hidden(name):
                link = links.get(header.offset)
                held = records_at(part.records, link.start) if link else {}
                yield from _linked(header, name, link, held, open_part)
        else:
            yield from _files_of(source, member, name, open_part)


def _linked(
    header: tarfile.TarInfo,
    name: str,
    link: Link | None,
    defaults: Mapping[str, str],
    open_part: OpenPart,
    inner: bool = False,
) -> Iterator[File]:
    """Yields the contents of a link's target, under the link's name.

    Args:
        header: of the link.
        name: of the link.
        link: the target; None if the link leads to no member.
        defaults: PAX records that apply to the target.
        open_part: opens the bytes of the target.
        inner: whether the link is in a tar in a tar.
    """
    if link is None:
        kind = "symbolic" if header.issym() else "hard"
        leads_to = f"a {kind} link to {printable(header.linkname)!r}, which is no file of the tar"
        where = "" if header.issym() else " before it"
        yield _refused(header, name, Reason.MISSING_FILE, leads_to + where)
        return
    if link.start == link.stop:
        message = (
            f"a symbolic link to {printable(header.linkname)!r}, a folder of the tar; the files of "
            "this folder are taken under their own paths alone"
        )
        yield _refused(header, name, Reason.UNSUPPORTED_FORMAT, message)
        return
    with open_part(link.start, link.stop) as opened:
        source = TarBytes(opened.read, link.start, link.stop)
        for member in walk(source, defaults, whole=False):
            yield from _files_of(source, member, name, open_part, inner)


def _files_of(
    source: TarBytes, member: Member, name: str, open_part: OpenPart, inner: bool = False
) -> Iterator[File]:
    """Yields the file that a member is, or the files of the tar that it is; none for a folder."""
    header = member.header
    if is_folder(header) or is_hidden(name):
        return
    if len(name) > MAX_NAME:
        message = f"its name has {len(name):,} characters, and at most {MAX_NAME:,} are allowed"
        yield _refused(header, name[:MAX_NAME], Reason.UNSUPPORTED_FORMAT, message)
    elif kind := _KINDS.get(header.type):
        yield _refused(header, name, Reason.NOT_AN_IMAGE, f"{kind}, which holds no bytes")
    elif header.type == _CONTINUED:
        message = "the rest of a file that another volume of the tar begins"
        yield _refused(header, name, Reason.TRUNCATED, message)
    elif name.endswith(TAR) and (inner or header.issparse()):
        what = "a tar stored as a sparse file" if header.issparse() else "a tar in a tar in a tar"
        message = f"{what} is not opened: unpack it, and pack it again"
        yield _refused(header, name, Reason.UNSUPPORTED_FORMAT, message)
    elif name.endswith(TAR):  # ILSVRC2012_img_train.tar, for example, has one per class
        yield from _inner_files(source, header, name, open_part)
    else:
        yield _read(source, member, name)


def _read(source: TarBytes, member: Member, name: str) -> File:
    header = member.header
    most = MAX_SPARSE_BYTES if header.issparse() else MAX_FILE_BYTES
    if header.size > most:
        message = f"{header.size:,} bytes; at most {most:,} of such a file are read"
        return _refused(header, name, Reason.TOO_LARGE, message)
    pieces: Any = header.sparse if header.issparse() else ()  # its type stub is wrong
    padded = sum(count + -count % BLOCK for _, count in pieces)
    stored = padded if header.issparse() else header.size
    if not 0 <= stored <= member.end - header.offset_data:
        raise ArchiveError(f"unexpected end of data at {source.place(member.end)}")
    source.seek(header.offset_data)
    content = source.take(stored)
    if len(content) < stored:
        raise ArchiveError(f"unexpected end of data at {source.place(source.tell())}")
    if not header.issparse():
        return File(name, float(header.mtime), content)
    whole = fill_holes(content, pieces, header.size)
    if whole is None:
        message = "a sparse file whose list of holes is damaged"
        return _refused(header, name, Reason.DECODE_ERROR, message)
    return File(name, float(header.mtime), whole)


def _refused(header: tarfile.TarInfo, name: str, reason: Reason, message: str) -> File:
    return File(name, float(header.mtime), refusal=Refusal(reason, message))


def _inner_files(
    outer: TarBytes, header: tarfile.TarInfo, name: str, open_part: OpenPart
) -> Iterator[File]:
    """Yields the files of a tar in a tar as `read_range` does; its links come last."""
    outer.seek(header.offset_data)
    source = TarBytes(outer.take, stop=header.size, name=name)
    names, links = Names(), []
    for member in walk(source, whole=True):
        names.add(member)
        inside = printable(member_name(member.header.name))
        if member.header.issym() or member.header.islnk():
            if not is_hidden(inside):
                links.append((len(names) - 1, member.header))
            continue
        for file in _files_of(source, member, inside, open_part, inner=True):
            yield replace(file, name=f"{name}{MEMBER}{file.name}")
    names.resolve()
    for number, link in links:
        found = link_of(names, number)
        held = records_at(names.records, found.start if found else 0)
        if found:
            found = Link(0, *(header.offset_data + place for place in found[1:]))
        inside = printable(member_name(link.name))
        for file in _linked(link, inside, found, held, open_part, inner=True):
            yield replace(file, name=f"{name}{MEMBER}{file.name}")
