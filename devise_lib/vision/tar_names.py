"""What the names of a tar's members stand for: which of several counts, where links lead to."""

import tarfile
from array import array
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import dirname, join, normpath

from devise_lib.vision.tar_members import Member

# In place of the member that a link leads to: there is none, or it is a folder.
MISSING, FOLDER = -1, -2
Records = tuple[int, Mapping[str, str]]  # from where on PAX records hold for all members, and these
MAX_HOPS = 40  # from one symbolic link to the next
# Of GNU tar: the list of a folder in an incremental archive, and the label of a volume.
_NO_FILES = (b"D", b"V")


def member_name(name: str) -> str:
    """The path of a member, as tar extracts it: below the current folder."""
    return normpath(name).lstrip("/") or "."


def is_folder(header: tarfile.TarInfo) -> bool:
    """Whether a member holds nothing of its own: a folder, or the label of the whole tar."""
    return header.isdir() or header.type in _NO_FILES


def records_at(records: Sequence[Records], place: int) -> Mapping[str, str]:
    """The PAX records that hold for a member at a place.

    Args:
        records: in their order; the first ones hold from a place that is not behind.
        place: where the member's first header is.
    """
    return records[bisect_right(records, place, key=lambda each: each[0]) - 1][1]


@dataclass
class Names:
    """Which members the names of a tar stand for: the last one of a name counts, as for tar.

    It takes some 170 bytes per member with names like those of ImageNet.

    Attributes:
        starts, ends: where each member's first header is, and where its last block ends.
        shadowed: members, by their numbers, whose name comes again later.
        links: of each link's number that of the member that has its bytes, or MISSING or FOLDER.
        records: PAX records that hold for all members from a place on.
    """

    starts: "array[int]" = field(default_factory=lambda: array("q"))
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    shadowed: list[int] = field(default_factory=list)
    links: dict[int, int] = field(default_factory=dict)
    records: list[Records] = field(default_factory=lambda: [(0, {})])
    _folders: set[str] = field(default_factory=set)  # that are members
    _last: dict[str, int] = field(default_factory=dict)
    _symbolic: dict[int, str] = field(default_factory=dict)  # where it leads to, or ""

    def __len__(self) -> int:
        return len(self.starts)

    def extent(self, number: int) -> tuple[int, int]:
        """Where a member begins and ends."""
        return self.starts[number], self.ends[number]

    def add(self, member: Member) -> None:
        """Note the next member."""
        header, number = member.header, len(self.starts)
        self.starts.append(header.offset)
        self.ends.append(member.end)
        if member.defaults != self.records[-1][1]:
            self.records.append((header.offset, dict(member.defaults)))
        name = member_name(header.name)
        if header.isdir():
            self._folders.add(name)
        if is_folder(header):
            return
        if header.issym():
            outside = header.linkname.startswith("/")
            below = normpath(join(dirname(name), header.linkname))
            self._symbolic[number] = "" if outside else below
        elif header.islnk():  # to what its target is now: a later file of that name is another one
            target = self._last.get(member_name(header.linkname), MISSING)
            if target in self._symbolic:
                self._symbolic[number] = self._symbolic[target]
            else:
                self.links[number] = self.links.get(target, target)
        if name in self._last:
            self.shadowed.append(self._last[name])
        self._last[name] = number

    def records_for(self, places: Collection[int]) -> tuple[Records, ...]:
        """The part of `records` that `records_at` needs for members at these places."""
        found: list[Records] = []
        for place in sorted(places):
            held = records_at(self.records, place)
            if not found or held != found[-1][1]:
                found.append((place, held))
        return tuple(found)

    def has_folder_beside(self, ending: str) -> bool:
        """Whether there is a/b with something in it beside a file a/b with this ending."""
        stems = {name.removesuffix(ending) for name in self._last if name.endswith(ending)}
        if not stems:
            return False
        return not stems.isdisjoint(self._folders_of_files())

    def _folders_of_files(self) -> set[str]:
        folders: set[str] = set()
        for name in self._last:
            folder = dirname(name)
            while folder and folder not in folders:
                folders.add(folder)
                folder = dirname(folder)
        return folders

    def resolve(self) -> None:
        """Follow symbolic links, which may lead to later members: call it once all are noted."""
        if not self._symbolic:
            return
        folders = self._folders | self._folders_of_files() | {"."}
        for number, target in self._symbolic.items():
            path = self._followed(target)
            found = self._last.get(path, MISSING)
            if path in folders and found == MISSING:
                found = FOLDER
            self.links[number] = self.links.get(found, found)

    def _followed(self, path: str) -> str:
        """The path without symbolic links, also of its folders; "" where they lead nowhere."""
        for _ in range(MAX_HOPS):
            parts = path.split("/")
            heads = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
            link = next((head for head in heads if self._last.get(head) in self._symbolic), None)
            if link is None:
                return path
            target = self._symbolic[self._last[link]]
            path = normpath(join(target, path[len(link) + 1 :])) if target else ""
        return ""
