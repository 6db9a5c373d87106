"""The index of a multistream dump, which names the bz2 stream of each page."""

import bz2
import io
import re
from collections.abc import Iterator

from devise_lib.errors import InputError
from devise_lib.storage.files import Files, FileStatus

_BUFFER_BYTES = 1 << 20
_LINE = re.compile(rb"(\d+):(\d+):")


def find_index(files: Files, dump: FileStatus, index_path: str | None) -> FileStatus | None:
    """Finds the index of a dump: the given one, or the one beside the dump by Wikipedia's naming.

    Args:
        files: the file system.
        dump: the dump file.
        index_path: the path of the index; None to look beside the dump.

    Returns:
        The index; None if none was given and none is found.

    Raises:
        InputError: an index was given, and there is no such file.
    """
    if index_path is not None:
        status = files.status(index_path)
        if status is None or status.is_folder:
            raise InputError(
                f"no index at {index_path}; set parse_wikipedia.index to the dump's "
                "multistream index, or leave it out and the dump is scanned"
            )
        return status
    name = dump.name
    names = [name.replace(".xml", "-index.txt", 1)]
    if "-multistream" in name:  # also -multistream1.xml-p1p9 to -multistream-index1.txt-p1p9
        indexed = name.replace("-multistream", "-multistream-index", 1)
        names.insert(0, indexed.replace(".xml", ".txt", 1))
    for wanted in names:
        for candidate in (wanted, wanted.removesuffix(".bz2")):
            beside = dump.path.removesuffix(name) + candidate
            status = files.status(beside) if candidate != name else None
            if status is not None and not status.is_folder:
                return status
    return None


def indexed_streams(files: Files, index: FileStatus) -> Iterator[tuple[int, int]]:
    """Yields the offset and the number of pages of each stream in the index, offsets ascending.

    Raises:
        InputError: a line is not `offset:page id:title`, is repeated or out of order, or the index
            is cut off.
    """
    offset, pages, page_id = -1, 0, b""
    with files.open_range(index.path, 0, index.size) as raw:
        buffered = io.BufferedReader(raw, _BUFFER_BYTES)
        lines = bz2.BZ2File(buffered) if buffered.peek(3).startswith(b"BZh") else buffered
        try:
            for number, line in enumerate(lines, start=1):
                match = _LINE.match(line)
                if match is None or int(match[1]) < offset:
                    raise _bad_line(index, number, line, "offsets ascending")
                if match[2] == page_id:
                    raise _bad_line(index, number, line, "each page once")
                page_id = match[2]
                if int(match[1]) > offset:
                    if pages:
                        yield offset, pages
                    offset, pages = int(match[1]), 0
                pages += 1
        except (EOFError, OSError) as error:
            raise InputError(
                f"{index.path}: cut off or broken ({error}); fetch the index again"
            ) from None
    if pages:
        yield offset, pages


def _bad_line(index: FileStatus, number: int, line: bytes, rule: str) -> InputError:
    return InputError(
        f"{index.path}, line {number}: want offset:page id:title, {rule}, got {line[:80]!r}"
    )
