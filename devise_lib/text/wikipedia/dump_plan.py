"""Divides a dump into byte ranges that can be read independently; runs on the driver."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from devise_lib.archive_kinds import HEAD_BYTES
from devise_lib.errors import InputError
from devise_lib.storage.files import LOCAL_FILES, Files, FileStatus
from devise_lib.text.other_files import other_file
from devise_lib.text.wikipedia.dump_index import find_index, indexed_streams
from devise_lib.text.wikipedia.streams import first_bytes, next_stream

RANGE_BYTES = 32_000_000  # of a compressed dump: about 15 s of one core
_PAGE = b"<page"
# A stream holds 100 pages of at most 2 MiB each, compressed. If no stream starts within so many
# bytes, the file is not multistream, and scanning it further is of no use.
_LONGEST_STREAM_BYTES = 256 << 20
_TRIED_HEADS = 8  # streams of an index that are checked, besides those that start a range


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of one dump file.

    Attributes:
        path: the file.
        start, stop: the bytes of the part; whole bz2 streams, or a whole file.
        is_last: whether the file ends with it, so that the XML's root element must be closed there.
        kind: the format of the file.
        pages: the number of its pages by the index; None without an index.
    """

    path: str
    start: int
    stop: int
    is_last: bool
    kind: Literal["bz2", "xml"]
    pages: int | None = None


def plan_ranges(
    dump_path: str,
    index_path: str | None,
    tasks: int,
    files: Files = LOCAL_FILES,
    parallelism: int = 1,
) -> list[ByteRange]:
    """Divides a dump into ranges that together hold each page once.

    Args:
        dump_path: a `.xml.bz2` or `.xml` file, or a folder of such parts. A multistream file is cut
            between streams; any other file is one range.
        index_path: the multistream index (`offset:page id:title` lines, bz2 or plain). With None,
            the index beside the dump by Wikipedia's naming is used. If there is none, streams are
            found by their first bytes, near the cuts only. A folder takes no index_path, because
            its parts have an index each.
        tasks: the number of ranges, with at least one per part. With 0, there is one per 32 MB of
            the dump, and at least two for each that can be read at once. There are never more
            ranges than streams.
        files: the file system.
        parallelism: how many ranges can be read at once.

    Raises:
        InputError: there is no such file, it is no dump, or the index belongs to another file.
    """
    if tasks < 0:
        raise InputError(f"tasks is {tasks}, want at least 1, or 0 to fit them to the dump")
    dump = files.status(dump_path)
    if dump is None:
        raise InputError(
            f"no dump at {dump_path}; set parse_wikipedia.dump to a MediaWiki dump "
            "(.xml or .xml.bz2, multistream or not) or to a folder of its parts"
        )
    parts = _parts(files, dump, index_path) if dump.is_folder else [dump]
    total = sum(part.size for part in parts) or 1
    tasks = tasks or max(2 * parallelism, math.ceil(total / RANGE_BYTES))
    return [
        byte_range
        for part in parts
        for byte_range in _plan_file(
            files, part, index_path, max(1, round(tasks * part.size / total))
        )
    ]


def _parts(files: Files, folder: FileStatus, index_path: str | None) -> list[FileStatus]:
    parts = [s for s in files.children(folder.path) if not s.is_folder and _is_part(s.name)]
    if not parts:
        raise InputError(
            f"no dump part (.xml, .xml.bz2, .xml-p1p2.bz2) in the folder {folder.path}; "
            "set parse_wikipedia.dump"
        )
    if index_path is not None:
        raise InputError(
            f"{folder.path} is a folder of dump parts, so parse_wikipedia.index ({index_path}) "
            "cannot be used: leave it out, and lay each part's index beside the part"
        )
    return parts


def _is_part(name: str) -> bool:
    stem = name.removesuffix(".bz2")
    return stem.endswith(".xml") or ".xml-p" in stem


def _plan_file(
    files: Files, dump: FileStatus, index_path: str | None, tasks: int
) -> list[ByteRange]:
    kind = _kind(files, dump)
    index = find_index(files, dump, index_path) if kind == "bz2" else None
    cuts: list[tuple[int, int | None]] = [(0, None)]  # start of a range, and its pages
    if index is not None:
        cuts = [*_indexed_cuts(files, dump, index, tasks)]
    elif kind == "bz2":
        cuts += [(cut, None) for cut in _scanned_cuts(files, dump, tasks)]
    stops = [start for start, _ in cuts[1:]] + [dump.size]
    return [
        ByteRange(dump.path, start, stop, stop == dump.size, kind, pages)
        for (start, pages), stop in zip(cuts, stops, strict=True)
    ]


def _kind(files: Files, dump: FileStatus) -> Literal["bz2", "xml"]:
    with files.open_range(dump.path, 0, HEAD_BYTES) as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"BZh"):
        return "bz2"
    if what := other_file(head, "bzip2"):
        raise InputError(f"{dump.path} is {what}; want a MediaWiki dump, bz2 or XML")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "xml"
    raise InputError(
        f"{dump.path} is no MediaWiki dump: want bz2 or XML, it starts with {head[:8]!r} "
        f"({dump.size} bytes)"
    )


def _scanned_cuts(files: Files, dump: FileStatus, tasks: int) -> Iterator[int]:
    """Yields at most tasks - 1 offsets, ascending and above 0, of streams that start with a page.

    Parallel compressors write many streams as well, but cut within pages. The beginning of each
    stream's text is therefore checked.
    """
    cut, task = 0, 1  # a task starts at the first stream from its share of the file on
    while task < tasks:
        at = max(cut + 1, dump.size * task // tasks)
        stop = min(dump.size, at + _LONGEST_STREAM_BYTES)
        found = next_stream(files, dump.path, at, stop, _PAGE)
        if found is None:
            return
        yield found
        cut, task = found, found * tasks // dump.size + 1


def _indexed_cuts(
    files: Files, dump: FileStatus, index: FileStatus, tasks: int
) -> list[tuple[int, int]]:
    """Returns the start of each range and its number of pages.

    If the dump is cut off, some offsets lie beyond the file's end. Their pages are found to be
    missing when the last range is read.
    """
    ranges: list[tuple[int, int]] = []
    check = _IndexCheck(files, dump, index)
    start, pages, task = 0, 0, 1
    head = None
    for head, pages_of_stream in indexed_streams(files, index):
        wanted = task < tasks and max(1, dump.size * task // tasks) <= head < dump.size
        if (wanted or check.wants(head)) and check.opens(head) and wanted:
            ranges.append((start, pages))
            start, pages, task = head, 0, head * tasks // dump.size + 1
        pages += pages_of_stream
    check.finish(head)
    return [*ranges, (start, pages)]


class _IndexCheck:
    """Checks that streams of pages start where an index says.

    A few that do not are damage, which reading finds. If they are the majority, the index belongs
    to another file.
    """

    def __init__(self, files: Files, dump: FileStatus, index: FileStatus) -> None:
        self._files, self._dump, self._index = files, dump, index
        self._found = 0
        self._strange: list[int] = []

    def wants(self, head: int) -> bool:
        """Returns whether to check this stream in any case: the first one in each eighth of the
        dump.

        The first offset alone proves little, because two dumps of one wiki have heads of one
        length.
        """
        tried = len(self._strange) + self._found
        return self._dump.size * tried // _TRIED_HEADS <= head < self._dump.size

    def opens(self, head: int) -> bool:
        """Returns whether a stream starts at this offset, and its text with a page."""
        text = first_bytes(self._files, self._dump.path, head)
        if text is not None and text.lstrip().startswith(_PAGE):
            self._found += 1
            return True
        self._strange.append(head)
        if len(self._strange) >= _TRIED_HEADS:
            self.finish(head)
        return False

    def finish(self, last: int | None) -> None:
        """Refuses the index if most of the checked streams do not exist.

        Args:
            last: the offset of a stream in the index; None if the index names none.

        Raises:
            InputError: the index belongs to another file.
        """
        if last is None or (self._found and len(self._strange) <= self._found):
            return
        raise InputError(
            f"{self._index.path} is not the index of {self._dump.path} ({self._dump.size} bytes): "
            f"no stream of pages starts at byte {(self._strange or [last])[0]}, as it says; set "
            "parse_wikipedia.index to the index of the same date"
        )
