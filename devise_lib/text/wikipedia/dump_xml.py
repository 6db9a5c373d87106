"""Parses pages out of MediaWiki's export XML, fed in chunks.

Expat is used directly for two reasons. It builds no tree, so memory stays at one page. Its handlers
can refuse DTDs and entities, as defusedxml does for the parsers of the standard library. Element
names are matched without their namespace, because that changes with the export version.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.parsers import expat

from devise_lib.text.wikipedia.page_kinds import redirect_target
from devise_lib.text.wikipedia.site import UNKNOWN_SITE, WikiSite

_MAX_PAGE_CHARS = 1 << 26  # 32 times the 2 MiB per page that MediaWiki allows
_MAX_DEPTH = 64  # a dump is 5 deep
_FIELDS = {  # path below <page> -> the field it fills
    ("title",): "title",
    ("ns",): "namespace",
    ("id",): "page_id",
    ("revision", "id"): "revision_id",
    ("revision", "timestamp"): "timestamp",
    ("revision", "text"): "text",
}
_OF_REVISION = ("revision_id", "timestamp", "text")
_NAMESPACE = ["mediawiki", "siteinfo", "namespaces", "namespace"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a dump, in its newest revision there; `text` is wikitext."""

    page_id: str
    revision_id: str
    namespace: int  # 0 for articles, 10 for templates, 14 for categories ...
    title: str
    redirect: str | None  # title of the redirect's target; "" where the dump names none
    timestamp: datetime | None  # UTC
    text: str
    site: WikiSite = field(default=UNKNOWN_SITE, compare=False, repr=False)


class BrokenXmlError(Exception):
    """The XML is cut off or not well formed.

    Attributes:
        at: the byte of the most recently fed data at which this was found; 0 if it is in earlier
            data.
    """

    def __init__(self, what: str, at: int = 0) -> None:
        super().__init__(what)
        self.at = at


class RefusedXmlError(Exception):
    """The XML is no MediaWiki export, or holds what occurs only in attacks on parsers."""


class PageParser:
    """Parses chunks of a dump into pages.

    Args:
        inside_root: whether the bytes start after the head of the dump. The parser then supplies
            the opening tag of the root element itself.
        site: the wiki's site, from the head. A head among the bytes replaces it.

    Attributes:
        site: the wiki's site, as far as the bytes have been read.
        has_site: whether the head was among the bytes.
        page_start: the byte at which the last page begins, of all bytes fed.
    """

    def __init__(self, inside_root: bool, site: WikiSite = UNKNOWN_SITE) -> None:
        self.site = site
        self.has_site = False
        self._namespaces: list[tuple[int, str]] = []
        self._open: list[str] = []  # local names of the open elements
        self._fields: dict[str, str] = {}
        self._kept: dict[str, str] = {}  # the page's newest revision so far
        self._parts: list[str] | None = None  # text of the field being read
        self._chars = 0
        self._fed = 0
        self.page_start = 0
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
        """Yields the pages that are complete after these bytes.

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
        """Returns expat's position, counted in all bytes fed."""
        return max(self._expat.CurrentByteIndex - len(self._before), 0)

    def close(self, at_end: bool) -> None:
        """Checks that the bytes ended between two pages; with `at_end`, after the root element.

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
            self._fields, self._kept, self._chars = {}, {}, 0
            self.page_start = self._index()
        elif local == "redirect":
            self._fields["redirect"] = attributes.get("title", "")
        elif local == "namespace" and self._open == _NAMESPACE:
            self._namespaces.append((_number(attributes.get("key", "")) or 0, ""))
            self._collect()
        elif tuple(self._open[2:]) in _FIELDS and self._open[1] == "page":
            self._collect()

    def _collect(self) -> None:
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
            self._take("".join(self._parts))
            self._parts = None
            self._expat.CharacterDataHandler = None
        closed = self._open.pop()
        if closed == "page":
            self._end_page()
        elif closed == "revision" and self._open[1:] == ["page"]:
            self._end_revision()
        elif closed == "siteinfo" and len(self._open) == 1:
            self.site, self.has_site = WikiSite.of(self._namespaces), True

    def _take(self, text: str) -> None:
        """Stores the text of the element that ends."""
        if self._open == _NAMESPACE:
            self._namespaces[-1] = (self._namespaces[-1][0], text)
        elif (field := _FIELDS.get(tuple(self._open[2:]))) is not None:
            self._fields[field] = text

    def _end_revision(self) -> None:
        """Keeps the newer one of two revisions, in any order in the dump."""
        self._chars = 0
        found = {name: self._fields.pop(name, "") for name in _OF_REVISION}
        if not self._kept or _age(found) >= _age(self._kept):
            self._kept = found

    def _end_page(self) -> None:
        if not {"page_id", "title"} <= self._fields.keys():
            raise BrokenXmlError("a page without an id or a title", self._index())
        self._pages.append(_page(self._fields | self._kept, self.site))

    def _refuse_dtd(self, *_declaration: object) -> None:
        raise RefusedXmlError("a DTD, which no MediaWiki export has; it could hold an XML bomb")


def _page(fields: dict[str, str], site: WikiSite) -> Page:
    title, text, redirect = fields["title"], fields.get("text", ""), fields.get("redirect")
    namespace = _number(fields.get("namespace", ""))  # dumps before schema 0.6 have none
    return Page(
        page_id=fields["page_id"].strip(),
        revision_id=fields.get("revision_id", "").strip(),
        namespace=site.namespace_of(title) if namespace is None else namespace,
        title=title,
        redirect=redirect or redirect_target(text) or redirect,
        timestamp=_utc(fields.get("timestamp", "")),
        text=text,
        site=site,
    )


def _age(revision: dict[str, str]) -> tuple[bool, float, int]:
    """Returns a key that is greater for a newer revision: its time, then its id."""
    time = _utc(revision["timestamp"])
    return (
        time is not None,
        time.timestamp() if time else 0.0,
        _number(revision["revision_id"]) or 0,
    )


def _number(text: str) -> int | None:
    """Parses an integer; None for any other text, or if it needs more than 64 bits."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if abs(number) < 2**63 else None


def _utc(stamp: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(stamp.strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter near the years 1 and 9999
        return None
