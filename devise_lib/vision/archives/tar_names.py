"""What the names of a tar's members stand for: which of several counts, where links lead to."""

import tarfile
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import dirname, normpath

from devise_lib.vision.archives.tar_members import Member

# In place of the member that a link leads to: there is none, or it is a folder.
MISSING, FOLDER = -1, -2
Records = tuple[int, Mapping[str, str]]  # from where on PAX records hold for all members, and these
MAX_HOPS = 40  # from one symbolic link to the next
MAX_NAME = 4095  # characters of a name or a link's target: PATH_MAX of Linux, which tar ends at
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
    _symbolic: dict[int, str] = field(default_factory=dict)  # what it leads to, as it says
    _paths: dict[int, str] = field(default_factory=dict)  # of symbolic links

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
        if len(name) > MAX_NAME:
            return
        if header.isdir():
            self._folders.add(name)
        if is_folder(header):
            return
        if header.issym():
            self._symbolic[number], self._paths[number] = header.linkname, name
        elif header.islnk():  # to what its target is now: a later file of that name is another one
            target = self._last.get(member_name(header.linkname), MISSING)
            if target in self._symbolic:
                self._symbolic[number], self._paths[number] = self._symbolic[target], name
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
        names = sorted(self._last)
        return any(stem in self._folders or _has_files(names, stem) for stem in stems)

    def resolve(self) -> None:
        """Follow symbolic links, which may lead to later members: call it once all are noted."""
        if not self._symbolic:
            return
        names = sorted(self._last)
        for number, target in self._symbolic.items():
            found = MISSING
            path = self._followed(dirname(self._paths[number]), target)
            if path is not None:
                found = self._last.get(path, MISSING)
                is_place = not path or path in self._folders or _has_files(names, path)
                if found == MISSING and is_place:
                    found = FOLDER
            self.links[number] = self.links.get(found, found)

    def _followed(self, folder: str, target: str) -> str | None:
        """Where a symbolic link leads to, part by part as Linux follows it.

        Args:
            folder: that the link is in.
            target: what it says.

        Returns:
            A path without links in it, "" for the top of the tar. None where it leads out of the
            tar, or nowhere.
        """
        path, hops = "", 1
        left = [*reversed(target.split("/")), *reversed(folder.split("/"))]
        if target.startswith("/") or len(target) > MAX_NAME:
            return None
        while left:
            part = left.pop()
            if part == "..":
                if not path:
                    return None
                path = dirname(path)
            if part in ("", ".", ".."):
                continue
            inside = f"{path}/{part}" if path else part
            link = self._last.get(inside, MISSING)
            if link not in self._symbolic:
                path = inside
                continue
            hops += 1
            further = self._symbolic[link]
            if hops > MAX_HOPS or further.startswith("/") or len(further) > MAX_NAME:
                return None
            left += reversed(further.split("/"))
        return path


def _has_files(names: Sequence[str], folder: str) -> bool:
    """Whether one of the names, in their order, is within a folder."""
    place = bisect_left(names, f"{folder}/")
    return place < len(names) and names[place].startswith(f"{folder}/")
