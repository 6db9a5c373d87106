"""Cuts a tar into ranges of whole members; each range is read by one task."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from devise_lib.vision.archives.tar_members import TarBytes, walk
from devise_lib.vision.archives.tar_names import FOLDER, MISSING, Names, Records

TAR = ".tar"


class Link(NamedTuple):
    """A link of a tar: the offset of its header, and the range of the member with its contents.

    A link to a folder has no contents: its `stop` equals its `start`.
    """

    at: int
    start: int
    stop: int


def link_of(names: Names, number: int) -> Link | None:
    """Returns the target of a link of a tar; None if the link leads to no member."""
    at, target = names.starts[number], names.links.get(number, MISSING)
    if target in (MISSING, FOLDER):
        return Link(at, at, at) if target == FOLDER else None
    return Link(at, *names.extent(target))


@dataclass(frozen=True)
class TarRange:
    """A part of a tar that one task reads.

    Attributes:
        start, stop: the offset of its first byte and that after its last; both at a member's
            header.
        shadowed: the offsets of members whose name occurs again later. As in tar itself, the last
            one counts.
        links: the links of the range that lead to a member anywhere in the tar.
        records: PAX records of earlier members that apply to these members or to the links'
            targets.
        is_mixed: whether the tar has a folder beside a tar of the same name. A file of one may then
            have the path of a file of the other.
    """

    start: int
    stop: int
    shadowed: tuple[int, ...] = ()
    links: tuple[Link, ...] = ()
    records: tuple[Records, ...] = ((0, {}),)
    is_mixed: bool = False

    @property
    def weight(self) -> int:
        """The bytes that its task reads, including those of its links' targets."""
        return self.stop - self.start + sum(link.stop - link.start for link in self.links)


def plan_ranges(archive: IO[bytes], range_bytes: int) -> list[TarRange]:
    """Cuts a tar at members into ranges of about `range_bytes`; reads nothing but headers.

    The plan holds the names of all members, some 170 bytes each. Tars that were written into one
    file, one after another, count as one.

    Args:
        archive: an uncompressed tar, open at its start; it is read at many offsets.
        range_bytes: the limit of a range; a longer member is a range of its own.

    Raises:
        ArchiveError: the archive is no tar, is cut off, or has other bytes between two members.
    """
    names = Names()
    for member in walk(TarBytes(archive.read, seek=archive.seek), whole=True):
        names.add(member)
    names.resolve()
    return list(_cut(names, range_bytes))


def _cut(names: Names, range_bytes: int) -> Iterator[TarRange]:
    """Yields the ranges of a tar's members, each as long as allowed."""
    hidden_by_later = set(names.shadowed)
    shadowed: list[int] = []
    links: list[Link] = []
    first, weight, is_mixed = 0, 0, names.has_folder_beside(TAR)

    def finish(behind: int) -> TarRange:
        start, stop = names.extent(first)[0], names.extent(behind - 1)[1]
        records = names.records_for({start, *(link.start for link in links)})
        return TarRange(start, stop, tuple(shadowed), tuple(links), records, is_mixed)

    for number in range(len(names)):
        start, stop = names.extent(number)
        is_shadowed = number in hidden_by_later
        link = None if is_shadowed else link_of(names, number)
        reads = stop - start + (link.stop - link.start if link else 0)
        if weight and weight + reads > range_bytes:
            yield finish(number)
            first, weight = number, 0
            shadowed, links = [], []
        weight += reads
        shadowed += [start] if is_shadowed else []
        links += [link] if link else []
    if len(names):
        yield finish(len(names))
