"""A tar cut into ranges of whole members, each of which one task reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from devise_lib.vision.archives.tar_members import TarBytes, walk
from devise_lib.vision.archives.tar_names import FOLDER, MISSING, Names, Records

TAR = ".tar"


class Link(NamedTuple):
    """A link of a tar: where its header is, and from where to where the member with its bytes.

    A link to a folder has no bytes: its `stop` is its `start`.
    """

    at: int
    start: int
    stop: int


def link_of(names: Names, number: int) -> Link | None:
    """What a link of a tar leads to; None where that is no member."""
    at, target = names.starts[number], names.links.get(number, MISSING)
    if target in (MISSING, FOLDER):
        return Link(at, at, at) if target == FOLDER else None
    return Link(at, *names.extent(target))


@dataclass(frozen=True)
class TarRange:
    """A part of a tar that one task reads.

    Attributes:
        start, stop: its first byte, and the byte after its last; both at the header of a member.
        shadowed: where members begin whose name comes again later: as tar does, the last counts.
        links: those of its links that lead to a member of the tar, wherever that is.
        records: PAX records of earlier members that hold for these, or for what links lead to.
        is_mixed: whether the tar has a folder beside a tar of that name, so that a file of one may
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
        """Bytes that its task reads, with those of its links."""
        return self.stop - self.start + sum(link.stop - link.start for link in self.links)


def plan_ranges(archive: IO[bytes], range_bytes: int) -> list[TarRange]:
    """Cut a tar at members into ranges of about `range_bytes`; reads nothing but headers.

    Holds the names of all members, some 170 bytes each. Tars that were written one behind the
    other into one file count as one.

    Args:
        archive: an uncompressed tar, open at its start; it is read at many places.
        range_bytes: a range reads no more than that, unless a member is longer.

    Raises:
        ArchiveError: it is no tar, is cut off, or has something else between two members.
    """
    names = Names()
    for member in walk(TarBytes(archive.read, seek=archive.seek), whole=True):
        names.add(member)
    names.resolve()
    return list(_cut(names, range_bytes))


def _cut(names: Names, range_bytes: int) -> Iterator[TarRange]:
    """The ranges of a tar's members, each as long as it may be."""
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
