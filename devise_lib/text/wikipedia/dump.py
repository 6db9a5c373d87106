"""Reads one byte range of a MediaWiki export dump.

A multistream dump (`X-multistream.xml.bz2`) is a sequence of complete bz2 streams of about 100
pages each. It can be cut between streams without decompressing what precedes the cut.
`dump_plan.plan_ranges` makes the cuts on the driver; this module reads a range on a worker. At most
47 MB of a range are held in memory (`_HELD_BYTES` in streams.py).

Source: MediaWiki's export format, https://www.mediawiki.org/wiki/Help:Export
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from devise_lib.errors import InputError
from devise_lib.storage.files import LOCAL_FILES, Files
from devise_lib.text.wikipedia.damage import Damage, DumpDamagedError, PageName, with_pages_lost
from devise_lib.text.wikipedia.dump_plan import ByteRange, plan_ranges
from devise_lib.text.wikipedia.dump_xml import BrokenXmlError, Page, PageParser, RefusedXmlError
from devise_lib.text.wikipedia.site import UNKNOWN_SITE, WikiSite
from devise_lib.text.wikipedia.streams import Chunk, Gap, Reason, bz2_chunks, plain_chunks

__all__ = [
    "ByteRange",
    "Damage",
    "DumpDamagedError",
    "Page",
    "plan_ranges",
    "read_pages",
    "read_whole_pages",
]

_PAGE = re.compile(rb"<page[\s>]")  # cannot match in a page's text, where "<" is escaped
_PAGE_BYTES = 6
_HEAD_BYTES = 4_000_000  # more than enough: a dump's head has some kilobytes


def read_pages(byte_range: ByteRange, files: Files = LOCAL_FILES) -> Iterator[Page]:
    """Yields the pages of a range in their order.

    Args:
        byte_range: of `plan_ranges`.
        files: the file system.

    Raises:
        DumpDamagedError: the range is cut off or broken, or its number of pages differs from the
            index. Raised after the last whole page before the damage.
        InputError: the file is no MediaWiki export, or holds what occurs only in attacks on XML
            parsers (a DTD, entities, a page of excessive size).
    """
    for found in _Reader(byte_range, files, refuse=False).read():
        if isinstance(found, Page):
            yield found


def read_whole_pages(byte_range: ByteRange, files: Files = LOCAL_FILES) -> Iterator[Page | Damage]:
    """Yields the whole pages of a range, and the damages between them.

    After damage, reading continues at the next bz2 stream; if only the XML is damaged, it continues
    at the next page. A damage is yielded once the page after it is known. If an index tells the
    number of lost pages, all damages are yielded at the end of the range.

    Args:
        byte_range: of `plan_ranges`.
        files: the file system.

    Raises:
        InputError: the file is no MediaWiki export, or holds what occurs only in attacks on XML
            parsers.
    """
    yield from _Reader(byte_range, files, refuse=True).read()


class _Reader:
    """The state of reading one range."""

    def __init__(self, byte_range: ByteRange, files: Files, refuse: bool) -> None:
        self._range, self._files, self._refuse = byte_range, files, refuse
        self._site = UNKNOWN_SITE
        self._parser: PageParser | None = None  # None while searching for a page after damage
        self._tail = b""  # of bytes without a page; a page's tag may begin in it
        self._base = byte_range.start  # for plain XML: where the parser's bytes begin
        self._at = byte_range.start  # how far the file has been read
        self._origin = byte_range.start  # of the chunk being read
        self._last: PageName | None = None
        self._pages = 0
        self._damage: Damage | None = None  # waits for the page after it
        self._damages: list[Damage] = []  # wait for the end of the range if there is an index

    def read(self) -> Iterator[Page | Damage]:
        path, start, stop = self._range.path, self._range.start, self._range.stop
        try:
            if start > 0:
                self._site = self._read_head()
            self._parser = PageParser(inside_root=start > 0, site=self._site)
            for piece in self._chunks(start, stop):
                if isinstance(piece, Gap):
                    self._break(piece.start, piece.fault, piece.reason, piece.message)
                else:
                    yield from self._feed(piece)
            yield from self._finish()
        except RefusedXmlError as error:
            raise InputError(f"{path}, near byte {self._at}: {error}") from None

    def _chunks(self, start: int, stop: int) -> Iterator[Chunk | Gap]:
        chunks = bz2_chunks if self._range.kind == "bz2" else plain_chunks
        return chunks(self._files, self._range.path, start, stop)

    def _read_head(self) -> WikiSite:
        """Returns the site that the head of the file describes; UNKNOWN_SITE if the head is
        damaged.
        """
        parser = PageParser(inside_root=False)
        for piece in self._chunks(0, min(self._range.start, _HEAD_BYTES)):
            try:
                if isinstance(piece, Gap) or any(parser.feed(piece.data)) or parser.has_site:
                    break
            except BrokenXmlError:
                break
        return parser.site

    def _feed(self, chunk: Chunk) -> Iterator[Page | Damage]:
        self._at, self._origin = chunk.offset, chunk.origin
        data = chunk.data
        is_plain = self._range.kind == "xml"
        while True:
            resumed = self._parser is None
            if self._parser is None:
                data = self._tail + data
                if (page := _PAGE.search(data)) is None:
                    self._tail = data[1 - _PAGE_BYTES :]
                    return
                data = data[page.start() :]
                self._parser, self._tail = PageParser(inside_root=True, site=self._site), b""
                self._base = chunk.offset - len(data)
                self._resume_at(self._base if is_plain else chunk.origin)
            try:
                for whole in self._parser.feed(data):
                    yield from self._give(whole)
                return
            except BrokenXmlError as error:
                at = max(error.at, int(resumed))  # above 0, so that no page is tried again
                start = self._base + self._parser.page_start if is_plain else chunk.origin
                fault = chunk.offset - len(data) + at if is_plain else chunk.offset
                self._break(start, fault, "not_well_formed", str(error))
                data = data[at:]

    def _give(self, page: Page) -> Iterator[Page | Damage]:
        name = PageName.of(page)
        if self._damage is not None:
            yield from self._report(replace(self._damage, first_page=name))
        self._last = name
        self._pages += 1
        yield page

    def _break(self, start: int, fault: int, reason: Reason, message: str) -> None:
        """Records damage; joins it to damage before it if there was no page in between."""
        path, stop = self._range.path, self._range.stop
        damage = Damage(path, start, stop, fault, reason, message, self._last)
        self._damage = replace(self._damage, stop=stop) if self._damage else damage
        if self._parser is not None:
            self._site = self._parser.site
        self._parser, self._tail = None, b""

    def _resume_at(self, offset: int) -> None:
        """Records where reading continues; within the damaged stream, how far the file had been
        read.
        """
        if self._damage is not None:
            stop = offset if offset > self._damage.start else self._at
            self._damage = replace(self._damage, stop=stop)

    def _report(self, damage: Damage) -> Iterator[Damage]:
        self._damage = None
        if not self._refuse:
            raise DumpDamagedError(damage)
        if self._range.pages is None:
            yield damage
        else:
            self._damages.append(damage)

    def _finish(self) -> Iterator[Damage]:
        if self._parser is not None:
            try:
                self._parser.close(at_end=self._range.is_last)
            except BrokenXmlError as error:
                start = self._origin
                if self._range.kind == "xml":
                    start = self._base + self._parser.page_start
                self._break(start, self._at, "truncated", str(error))
        if self._damage is not None:
            yield from self._report(self._damage)
        if self._range.pages is not None:
            yield from self._count(self._range.pages)

    def _count(self, indexed: int) -> Iterator[Damage]:
        if not self._damages and self._pages != indexed:
            message = (
                f"bytes {self._range.start} to {self._range.stop} hold {self._pages} pages, the "
                f"index says {indexed}: it may be of another date than the dump"
            )
            self._break(self._range.start, self._at, "count_differs", message)
            if self._damage is not None:
                yield from self._report(self._damage)
        if self._damages:
            yield from with_pages_lost(self._damages, indexed - self._pages)
