"""Small MediaWiki dumps for the tests, one stream or many."""

import bz2
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n'
    '<siteinfo><namespaces><namespace key="10">Template</namespace></namespaces></siteinfo>\n'
)
TAIL = "</mediawiki>\n"


def page_xml(page_id: int, title: str, text: str, namespace: int = 0, extra: str = "") -> str:
    return (
        f"<page><title>{escape(title)}</title><ns>{namespace}</ns><id>{page_id}</id>{extra}"
        f"<revision><id>{page_id + 1000}</id><timestamp>2020-05-27T21:47:28Z</timestamp>"
        f"<contributor><username>A</username><id>7</id></contributor>"
        f'<text xml:space="preserve">{escape(text)}</text></revision></page>\n'
    )


def write_plain(path: Path, pages: Sequence[str]) -> Path:
    path.write_text(HEAD + "".join(pages) + TAIL, encoding="utf-8")
    return path


def write_multistream(
    path: Path, streams: Sequence[Sequence[str]], index: Path | None = None
) -> Path:
    """A head, a stream for each group of pages, a tail; and an index of the groups."""
    packed = bz2.compress(HEAD.encode())
    lines = []
    for number, pages in enumerate(streams):
        lines.append(f"{len(packed)}:{number}:A: title with a colon\n")
        packed += bz2.compress("".join(pages).encode())
    path.write_bytes(packed + bz2.compress(TAIL.encode()))
    if index is not None:
        data = "".join(lines).encode()
        index.write_bytes(bz2.compress(data) if index.suffix == ".bz2" else data)
    return path
