"""Pages out of MediaWiki's export XML, fed in chunks.

Expat is driven directly: it builds no tree, so memory stays at one page, and its handlers are
where DTDs and entities are refused (what defusedxml does for the standard library's parsers).
Element names are matched without their namespace, which changes with the export version.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.parsers import expat

_MAX_PAGE_CHARS = 1 << 26  # MediaWiki allows 2 MiB a page; 32 times that is no article
_MAX_DEPTH = 64  # a dump is 5 deep
_FIELDS = {  # path below <page> -> the field it fills
    ("title",): "title",
    ("ns",): "namespace",
    ("id",): "page_id",
    ("revision", "id"): "revision_id",
    ("revision", "timestamp"): "timestamp",
    ("revision", "text"): "text",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a dump in its last revision there; `text` is wikitext."""

    page_id: str
    revision_id: str
    namespace: int  # 0 for articles, 10 for templates, 14 for categories ...
    title: str
    redirect: str | None  # title of the page that it points to
    timestamp: datetime | None  # UTC
    text: str


class BrokenXmlError(Exception):
    """The XML is cut off or not well formed.

    Attributes:
        at: the byte of the data just fed at which that showed; 0 if it is an earlier one.
    """

    def __init__(self, what: str, at: int = 0) -> None:
        super().__init__(what)
        self.at = at


class RefusedXmlError(Exception):
    """The XML is not MediaWiki's, or holds what is only found in attacks on parsers."""


class PageParser:
    """Turns chunks of a dump into pages.

    Args:
        inside_root: the bytes start after the head of the dump, so that the opening tag of
            its root element has not been seen; one is put in its place.
    """

    def __init__(self, inside_root: bool) -> None:
        self._open: list[str] = []  # local names of the open elements
        self._fields: dict[str, str] = {}
        self._parts: list[str] | None = None  # of the field being read
        self._chars = 0
        self._fed = 0
        self.page_start = 0  # byte at which the last page begins, of all bytes fed
        self._pages: list[Page] = []
        self._expat = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_dtd
        self._before = b"<mediawiki>" if inside_root else b""
        parser.Parse(self._before, False)

    def feed(self, data: bytes) -> Iterator[Page]:
        """Pages that are whole after these bytes.

        Raises:
            BrokenXmlError: the bytes are not well formed; raised after the pages before.
            RefusedXmlError: they are no MediaWiki export, or hold a DTD or a giant page.
        """
        fault: Exception | None = None
        fed_before, self._fed = self._fed, self._fed + len(data)
        try:
            self._expat.Parse(data, False)
            if self._fed - self._index() > _MAX_PAGE_CHARS:
                fault = RefusedXmlError(f"a tag longer than {_MAX_PAGE_CHARS} bytes")
        except expat.ExpatError as error:
            fault = BrokenXmlError(f"not well-formed XML ({error})", self._index() - fed_before)
        except BrokenXmlError as error:
            fault = BrokenXmlError(str(error), error.at - fed_before)
        except RefusedXmlError as error:
            fault = error
        pages, self._pages = self._pages, []
        yield from pages
        if fault is not None:
            raise fault

    def _index(self) -> int:
        """The byte where expat stands, of all bytes fed."""
        return max(self._expat.CurrentByteIndex - len(self._before), 0)

    def close(self, at_end: bool) -> None:
        """Check that the bytes ended between two pages, or `at_end` after the root element.

        Raises:
            BrokenXmlError: they ended inside a page, or without the root's closing tag.
        """
        if "page" in self._open:
            title = self._fields.get("title")
            where = f"the page {title!r}" if title else "a page"
            raise BrokenXmlError(f"the dump ends inside {where}")
        if at_end:
            try:
                self._expat.Parse(b"", True)
            except expat.ExpatError:
                raise BrokenXmlError("the dump ends without </mediawiki>") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if not self._open and local != "mediawiki":
            raise RefusedXmlError(f"want a MediaWiki export, its root is <{name}>, not <mediawiki>")
        if len(self._open) >= _MAX_DEPTH:
            raise RefusedXmlError(f"elements nested deeper than {_MAX_DEPTH}")
        self._open.append(local)
        if local == "page":
            if len(self._open) != 2:  # bytes between two pages are missing
                raise BrokenXmlError("a page begins inside another one", self._index())
            self._fields, self._chars, self.page_start = {}, 0, self._index()
        elif local == "redirect":
            self._fields["redirect"] = attributes.get("title", "")
        elif tuple(self._open[2:]) in _FIELDS and self._open[1] == "page":
            self._parts = []
            self._expat.CharacterDataHandler = self._characters

    def _characters(self, text: str) -> None:
        self._chars += len(text)
        if self._chars > _MAX_PAGE_CHARS:
            title = self._fields.get("title")
            raise RefusedXmlError(f"the page {title!r} is longer than {_MAX_PAGE_CHARS} characters")
        if self._parts is not None:
            self._parts.append(text)

    def _end(self, _name: str) -> None:
        if self._parts is not None:
            field = _FIELDS.get(tuple(self._open[2:]))
            if field is not None:
                self._fields[field] = "".join(self._parts)
            self._parts = None
            self._expat.CharacterDataHandler = None
        if self._open.pop() == "page":
            if not {"page_id", "title"} <= self._fields.keys():
                raise BrokenXmlError("a page without an id or a title", self._index())
            self._pages.append(_page(self._fields))

    def _refuse_dtd(self, *_declaration: object) -> None:
        raise RefusedXmlError("a DTD, which no MediaWiki export has; it could hold an XML bomb")


def _page(fields: dict[str, str]) -> Page:
    namespace = fields.get("namespace", "0").strip()
    return Page(
        page_id=fields.get("page_id", "").strip(),
        revision_id=fields.get("revision_id", "").strip(),
        namespace=int(namespace) if namespace.lstrip("-").isdecimal() else 0,
        title=fields.get("title", ""),
        redirect=fields.get("redirect"),
        timestamp=_utc(fields.get("timestamp", "")),
        text=fields.get("text", ""),
    )


def _utc(stamp: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(stamp.strip())
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
