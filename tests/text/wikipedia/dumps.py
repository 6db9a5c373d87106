"""Small MediaWiki dumps for the tests, one stream or many, whole or damaged."""

import bz2
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from devise_lib.text.wikipedia.dump import ByteRange

HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n'
    '<siteinfo><namespaces><namespace key="10">Template</namespace></namespaces></siteinfo>\n'
)
TAIL = "</mediawiki>\n"


@dataclass(frozen=True)
class Draft:
    """A page to be written."""

    page_id: int
    title: str
    text: str
    namespace: int = 0

    def xml(self) -> str:
        return page_xml(self.page_id, self.title, self.text, self.namespace)


plain_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)
tricky = st.sampled_from(
    [
        "<page>",
        "</page>\n<page>\n",
        "BZh91AY&SY",
        "</mediawiki>",
        "<title>x</title>",
        "]]>",
        "&amp;",
    ]
)
long_text = st.sampled_from([2_000, 120_000]).map(  # beyond a block of level 1
    lambda size: " ".join(f"{n * n:x}" for n in range(size // 8))
)
texts = st.lists(plain_text | tricky | long_text, max_size=3).map(" ".join)
titles = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
contents = st.tuples(titles, texts, st.sampled_from([0, 0, 0, 1, 10, 14]))


@st.composite
def page_groups(draw: st.DrawFn, min_size: int = 0) -> list[list[Draft]]:
    """The pages of each stream, streams without a page among them; ids count up."""
    groups = draw(st.lists(st.lists(contents, max_size=4), min_size=min_size, max_size=5))
    ids = iter(range(1, 1000))
    return [[Draft(next(ids), *content) for content in group] for group in groups]


def page_xml(page_id: int, title: str, text: str, namespace: int = 0, extra: str = "") -> str:
    return (
        f"<page><title>{escape(title)}</title><ns>{namespace}</ns><id>{page_id}</id>{extra}"
        f"<revision><id>{page_id + 1000}</id><timestamp>2020-05-27T21:47:28Z</timestamp>"
        f"<contributor><username>A</username><id>7</id></contributor>"
        f'<text xml:space="preserve">{escape(text)}</text></revision></page>\n'
    )


def xml_of(groups: Sequence[Sequence[Draft]]) -> str:
    return HEAD + "".join(page.xml() for group in groups for page in group) + TAIL


def streams_of(groups: Sequence[Sequence[Draft]], level: int = 9) -> list[bytes]:
    """A head, a stream for each group of pages, a tail."""
    parts = [HEAD, *("".join(page.xml() for page in group) for group in groups), TAIL]
    return [bz2.compress(part.encode(), level) for part in parts]


def write_plain(path: Path, pages: Sequence[str]) -> Path:
    path.write_text(HEAD + "".join(pages) + TAIL, encoding="utf-8")
    return path


def write_multistream(
    path: Path, groups: Sequence[Sequence[Draft]], index: Path | None = None, level: int = 9
) -> Path:
    """The streams of `groups`; and an index of their pages."""
    packed = streams_of(groups, level)
    path.write_bytes(b"".join(packed))
    lines, offset = [], len(packed[0])
    for stream, group in zip(packed[1:], groups, strict=False):
        lines += [f"{offset}:{page.page_id}:A: title with a colon\n" for page in group]
        offset += len(stream)
    if index is not None:
        data = "".join(lines).encode()
        index.write_bytes(bz2.compress(data) if index.suffix == ".bz2" else data)
    return path


def numbered(*groups: Sequence[tuple[str, str]]) -> list[list[Draft]]:
    """The pages of each stream from their titles and texts, with ids that count up."""
    ids = iter(range(1, 10_000))
    return [[Draft(next(ids), title, text) for title, text in group] for group in groups]


def whole_file(path: Path, kind: str = "bz2", pages: int | None = None) -> ByteRange:
    return ByteRange(str(path), 0, path.stat().st_size, True, kind, pages)  # type: ignore[arg-type]


_BLOCK_MAGIC = f"{0x314159265359:048b}"


def with_another_letter(packed: bytes, block: int, old: str, new: str) -> bytes:
    """bz2 data in a block of which one letter is another throughout; its checksum stays.

    The worst that bits can do: libbz2 notices it only behind the last byte of the block. A block
    has its magic number, its checksum (32 bits), 25 bits more, a bit for each 16 characters of
    which one occurs, and for each of these 16 bits. Give letters that are neighbours, of which
    only the old one occurs.
    """
    bits = list(f"{int.from_bytes(packed, 'big'):0{8 * len(packed)}b}")
    at = -1
    for _ in range(block + 1):
        at = "".join(bits).index(_BLOCK_MAGIC, at + 1)
    used = at + 48 + 32 + 25
    for letter, before, after in ((old, "1", "0"), (new, "0", "1")):
        group, place = divmod(ord(letter), 16)
        assert bits[used + group] == "1"
        bit = used + 16 + 16 * bits[used : used + group].count("1") + place
        assert bits[bit] == before
        bits[bit] = after
    return int("".join(bits), 2).to_bytes(len(packed), "big")
