"""The names of a tar's members: which of several members a name means, and where links lead."""

import tarfile
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import dirname, normpath

from devise_lib.vision.archives.tar_members import Member

# In place of the number of a link's target: there is no target, or it is a folder.
MISSING, FOLDER = -1, -2
Records = tuple[int, Mapping[str, str]]  # an offset, and the PAX records from there on
MAX_HOPS = 40  # symbolic links in a chain
MAX_NAME = 4095  # characters of a name or a link's target: PATH_MAX of Linux, the limit of tar
# GNU tar's types for the list of a folder in an incremental archive and for a volume label.
_NO_FILES = (b"D", b"V")


def member_name(name: str) -> str:
    """Returns the path to which tar would extract a member, relative to the current folder."""
    return normpath(name).lstrip("/") or "."


def is_folder(header: tarfile.TarInfo) -> bool:
    """Returns whether a member holds no contents: a folder, or the label of the whole tar."""
    return header.isdir() or header.type in _NO_FILES


def records_at(records: Sequence[Records], place: int) -> Mapping[str, str]:
    """Returns the PAX records that apply to a member.

    Args:
        records: in their order; the first ones apply from `place` or an earlier offset on.
        place: the offset of the member's first header.
    """
    return records[bisect_right(records, place, key=lambda each: each[0]) - 1][1]


@dataclass
class Names:
    """The mapping from names to members of a tar. As in tar itself, the last member of a name
    counts.

    It takes some 170 bytes per member for names like those of ImageNet. Members are numbered in the
    order of `add`.

    Attributes:
        starts, ends: the offset of each member's first header, and that after its last block.
        shadowed: the numbers of members whose name occurs again later.
        links: for each link, the number of the member with its contents, or MISSING or FOLDER.
        records: PAX records, each with the offset from which they apply to all members.
    """

    starts: "array[int]" = field(default_factory=lambda: array("q"))
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    shadowed: list[int] = field(default_factory=list)
    links: dict[int, int] = field(default_factory=dict)
    records: list[Records] = field(default_factory=lambda: [(0, {})])
    _folders: set[str] = field(default_factory=set)  # members that are folders
    _last: dict[str, int] = field(default_factory=dict)
    _symbolic: dict[int, tuple[str, str]] = field(default_factory=dict)  # its folder, its target

    def __len__(self) -> int:
        return len(self.starts)

    def extent(self, number: int) -> tuple[int, int]:
        """Returns the offset of a member's start, and that after its end."""
        return self.starts[number], self.ends[number]

    def add(self, member: Member) -> None:
        """Adds the next member of the tar."""
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
            self._symbolic[number] = dirname(name), header.linkname
        elif header.islnk():  # to the target so far: a later file of that name is another file
            target = self._last.get(member_name(header.linkname), MISSING)
            if target in self._symbolic:
                _, leads_to = self._symbolic[target]
                self._symbolic[number] = dirname(name), leads_to
            else:
                self.links[number] = self.links.get(target, target)
        if name in self._last:
            self.shadowed.append(self._last[name])
        self._last[name] = number

    def records_for(self, places: Collection[int]) -> tuple[Records, ...]:
        """Returns the part of `records` that `records_at` needs for members at these offsets."""
        found: list[Records] = []
        for place in sorted(places):
            held = records_at(self.records, place)
            if not found or held != found[-1][1]:
                found.append((place, held))
        return tuple(found)

    def has_folder_beside(self, ending: str) -> bool:
        """Returns whether a file name with this ending has a non-empty folder of the same stem
        beside it.

        An example is a folder a/b beside the file a/b.tar, for the ending ".tar".
        """
        stems = {name.removesuffix(ending) for name in self._last if name.endswith(ending)}
        names = sorted(self._last)
        return any(stem in self._folders or _has_files(names, stem) for stem in stems)

    def resolve(self) -> None:
        """Follows the symbolic links. Call it after all members are added, as links may lead to
        later ones.
        """
        if not self._symbolic:
            return
        names = sorted(self._last)
        for number, (folder, target) in self._symbolic.items():
            found = MISSING
            path = self._followed(folder, target)
            if path is not None:
                found = self._last.get(path, MISSING)
                is_place = not path or path in self._folders or _has_files(names, path)
                if found == MISSING and is_place:
                    found = FOLDER
            self.links[number] = self.links.get(found, found)

    def _followed(self, folder: str, target: str) -> str | None:
        """Returns where a symbolic link leads, followed part by part as Linux does.

        Args:
            folder: the folder of the link.
            target: the stored target of the link.

        Returns:
            A path without links in it, "" for the top of the tar. None if the link leads out of the
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
            _, further = self._symbolic[link]
            if hops > MAX_HOPS or further.startswith("/") or len(further) > MAX_NAME:
                return None
            left += reversed(further.split("/"))
        return path


def _has_files(names: Sequence[str], folder: str) -> bool:
    """Returns whether one of the sorted names is within a folder."""
    place = bisect_left(names, f"{folder}/")
    return place < len(names) and names[place].startswith(f"{folder}/")
