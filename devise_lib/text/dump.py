"""Read MediaWiki export dumps in pieces that can be worked on apart.

A multistream dump (`X-multistream.xml.bz2`) is a row of complete bz2 streams of about 100
pages each, so it can be cut between streams without decompressing what lies before the cut.
`plan_ranges` makes the cuts, on the driver; `read_pages` reads one piece, on a worker, and
holds one page in memory at a time.

Source: MediaWiki's export format, https://www.mediawiki.org/wiki/Help:Export
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devise_lib.errors import InputError
from devise_lib.text.dump_xml import BrokenXmlError, Page, PageParser, RefusedXmlError
from devise_lib.text.streams import (
    BrokenStreamError,
    bz2_chunks,
    first_bytes,
    indexed_heads,
    plain_chunks,
    scan_stream_heads,
)

__all__ = ["ByteRange", "DumpDamagedError", "Page", "plan_ranges", "read_pages"]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A piece of one dump file: bytes `start` to `stop`, to the end where `stop` is None."""

    path: str
    start: int
    stop: int | None
    kind: Literal["bz2", "xml"]


class DumpDamagedError(InputError):
    """A dump ends or breaks off inside; every whole page before that has been given.

    Attributes:
        path: the dump file.
        offset: how many bytes of it had been read when the damage showed.
        last_title: title of the last whole page before the damage, None if there was none.
    """

    def __init__(self, path: str, offset: int, last_title: str | None, what: str) -> None:
        self.path, self.offset, self.last_title = path, offset, last_title
        last = "no whole page before it" if last_title is None else f"last page {last_title!r}"
        super().__init__(
            f"{path}: damaged near byte {offset} ({last}): {what}; fetch the dump again and "
            "compare its checksum"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # By default only the message would be given back to __init__, which takes four
        # arguments, and the error could not travel from a worker to the driver.
        return _rebuilt_damage, (str(self),), dict(self.__dict__)


def _rebuilt_damage(message: str) -> DumpDamagedError:
    error = DumpDamagedError.__new__(DumpDamagedError)
    error.args = (message,)
    return error


def plan_ranges(dump_path: str, index_path: str | None, tasks: int) -> list[ByteRange]:
    """Cut a dump into at most about `tasks` ranges that together hold each page once.

    Args:
        dump_path: a `.xml.bz2` or `.xml` file, or a folder of such parts. A multistream
            file is cut between streams; any other file is one range.
        index_path: the multistream index (`offset:page id:title` lines, bz2 or plain). None:
            the one beside the dump by Wikipedia's naming, else the dump is scanned for
            stream heads. Not for folders, whose parts have an index each.
        tasks: how many ranges are wanted; at least 1.

    Raises:
        InputError: nothing is there, it is no dump, or the index belongs to another file.
    """
    if tasks < 1:
        raise InputError(f"tasks is {tasks}, want at least 1")
    path = Path(dump_path)
    if path.is_dir():
        return _plan_folder(path, index_path, tasks)
    if not path.exists():
        raise InputError(
            f"no dump at {dump_path}; set parse_wikipedia.dump to a MediaWiki dump "
            "(.xml or .xml.bz2, multistream or not) or to a folder of its parts"
        )
    return _plan_file(path, index_path, tasks)


def _plan_folder(folder: Path, index_path: str | None, tasks: int) -> list[ByteRange]:
    parts = sorted(p for p in folder.iterdir() if p.is_file() and _is_part(p.name))
    if not parts:
        raise InputError(
            f"no dump part (.xml, .xml.bz2, .xml-p1p2.bz2) in the folder {folder}; "
            "set parse_wikipedia.dump"
        )
    if index_path is not None:
        raise InputError(
            f"{folder} is a folder of dump parts, so parse_wikipedia.index ({index_path}) cannot "
            "be used: leave it out, and lay each part's index beside the part"
        )
    total = sum(p.stat().st_size for p in parts) or 1
    return [
        byte_range
        for part in parts
        for byte_range in _plan_file(part, None, max(1, round(tasks * part.stat().st_size / total)))
    ]


def _is_part(name: str) -> bool:
    stem = name.removesuffix(".bz2")
    return stem.endswith(".xml") or ".xml-p" in stem


def _plan_file(path: Path, index_path: str | None, tasks: int) -> list[ByteRange]:
    kind = _kind(path)
    cuts: list[int] = []
    if kind == "bz2" and tasks > 1:
        cuts = _cuts(path, _index_of(path, index_path), tasks)
    starts = [0, *cuts]
    return [
        ByteRange(str(path), start, stop, kind)
        for start, stop in zip(starts, [*cuts, None], strict=True)
    ]


def _kind(path: Path) -> Literal["bz2", "xml"]:
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"BZh"):
        return "bz2"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "xml"
    raise InputError(
        f"{path} is no MediaWiki dump: want bz2 or XML, it starts with {head[:8]!r} "
        f"({path.stat().st_size} bytes)"
    )


def _index_of(path: Path, index_path: str | None) -> Path | None:
    if index_path is not None:
        if not Path(index_path).is_file():
            raise InputError(
                f"no index at {index_path}; set parse_wikipedia.index to the dump's "
                "multistream index, or leave it out and the dump is scanned"
            )
        return Path(index_path)
    name = path.name
    names = [name.replace(".xml", "-index.txt", 1)]
    if "-multistream" in name:  # so too -multistream1.xml-p1p9 to -multistream-index1.txt-p1p9
        indexed = name.replace("-multistream", "-multistream-index", 1)
        names.insert(0, indexed.replace(".xml", ".txt", 1))
    for wanted in names:
        for candidate in (wanted, wanted.removesuffix(".bz2")):
            if candidate != name and (path.parent / candidate).is_file():
                return path.parent / candidate
    return None


def _cuts(path: Path, index: Path | None, tasks: int) -> list[int]:
    """At most tasks - 1 offsets, ascending and above 0, where a stream of whole pages starts."""
    size = path.stat().st_size
    task = 1  # the next that wants a start, at the first stream from its share of the bytes on
    cuts: list[int] = []
    for head in indexed_heads(index) if index else scan_stream_heads(path):
        if task >= tasks:
            break
        if head < max(1, size * task // tasks):
            continue
        opening = first_bytes(path, head)
        if opening is None and index:
            raise InputError(
                f"{index} is not the index of {path} ({size} bytes): it names byte {head}, where "
                "no bz2 stream starts; set parse_wikipedia.index to the index of the same date"
            )
        # Compressors that work in parallel write many streams as well, cut inside pages.
        if opening is not None and opening.lstrip().startswith(b"<page"):
            cuts.append(head)
        task = head * tasks // size + 1
    return cuts


def read_pages(byte_range: ByteRange) -> Iterator[Page]:
    """The pages of a range in their order, one at a time.

    Raises:
        DumpDamagedError: the range is cut off or broken inside; raised after the last whole
            page before the damage.
        InputError: the file is no MediaWiki export, or holds what only an attack on its
            reader holds (a DTD, entities, a page beyond every size).
    """
    path, start, stop = byte_range.path, byte_range.start, byte_range.stop
    chunks = bz2_chunks if byte_range.kind == "bz2" else plain_chunks
    parser = PageParser(inside_root=start > 0)
    offset, last_title = start, None
    try:
        for read_to, data in chunks(path, start, stop):
            offset = read_to
            for page in parser.feed(data):
                last_title = page.title
                yield page
        parser.close(at_end=stop is None)
    except BrokenStreamError as error:
        raise DumpDamagedError(path, error.offset, last_title, str(error)) from None
    except BrokenXmlError as error:
        raise DumpDamagedError(path, offset, last_title, str(error)) from None
    except RefusedXmlError as error:
        raise InputError(f"{path}, near byte {offset}: {error}") from None
