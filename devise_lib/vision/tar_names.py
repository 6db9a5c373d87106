"""What the names of a tar's members stand for: which of several counts, where links lead to."""

import tarfile
from array import array
from dataclasses import dataclass, field
from os.path import dirname, join, normpath

MISSING = -1  # in place of the member that a link leads to
MAX_HOPS = 40  # from one symbolic link to the next
# Of GNU tar: the list of a folder in an incremental archive, and the label of a volume.
_NO_FILES = (b"D", b"V")


def member_name(name: str) -> str:
    """The path of a member, as tar extracts it: below the current folder."""
    return normpath(name).lstrip("/") or "."


def is_folder(header: tarfile.TarInfo) -> bool:
    """Whether a member holds nothing of its own: a folder, or the label of the whole tar."""
    return header.isdir() or header.type in _NO_FILES


@dataclass
class Names:
    """Which members the names of a tar stand for: the last one of a name counts, as for tar.

    Some 250 bytes a member.

    Attributes:
        starts, ends: where each member's first header is, and where its last block ends.
        shadowed: members, by their numbers, whose name comes again later.
        links: of each link's number that of the member that has its bytes, or MISSING.
    """

    starts: "array[int]" = field(default_factory=lambda: array("q"))
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    shadowed: list[int] = field(default_factory=list)
    links: dict[int, int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _symbolic: dict[int, str] = field(default_factory=dict)  # where it leads to, or ""

    def __len__(self) -> int:
        return len(self.starts)

    def extent(self, number: int) -> tuple[int, int]:
        """Where a member begins and ends."""
        return self.starts[number], self.ends[number]

    def add(self, header: tarfile.TarInfo, end: int) -> None:
        """Note the next member, and where it ends."""
        number = len(self.starts)
        self.starts.append(header.offset)
        self.ends.append(end)
        if is_folder(header):
            return
        name = member_name(header.name)
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

    def has_folder_beside(self, ending: str) -> bool:
        """Whether there is a/b with something in it beside a file a/b with this ending."""
        stems = {name.removesuffix(ending) for name in self._last if name.endswith(ending)}
        if not stems:
            return False
        folders: set[str] = set()
        for name in self._last:
            folder = dirname(name)
            while folder and folder not in folders:
                folders.add(folder)
                folder = dirname(folder)
        return not stems.isdisjoint(folders)

    def resolve(self) -> None:
        """Follow symbolic links, which may lead to later members: call it once all are noted."""
        for number, target in self._symbolic.items():
            found = self._last.get(target, MISSING)
            for _ in range(MAX_HOPS):
                if found not in self._symbolic:
                    break
                found = self._last.get(self._symbolic[found], MISSING)
            self.links[number] = (
                MISSING if found in self._symbolic else self.links.get(found, found)
            )
