"""Writes the articles as a MediaWiki dump: XML in bz2 streams of some pages each, and its index.

The layout is that of Wikipedia's `pages-articles-multistream` files, export format 0.11. The
header, every block of pages and the footer are separate bz2 streams, one after another. The index
names for each page the offset of its stream.
"""

import bz2
import hashlib
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from xml.sax.saxutils import escape

from devise_lib.errors import InputError
from devise_lib.sample.articles import Page, choose_thing, make_article
from devise_lib.sample.sentences import name_person, say_filler
from devise_lib.sample.world import kin

DUMP_NAME = "sample-pages-articles-multistream.xml.bz2"
INDEX_NAME = "sample-pages-articles-multistream-index.txt.bz2"

_EXPORT = "http://www.mediawiki.org/xml/export-0.11/"
_NAMESPACES = {
    -1: "Special",
    0: "",
    1: "Talk",
    2: "User",
    4: "Sample",
    6: "File",
    10: "Template",
    14: "Category",
}
_IDS_PER_ARTICLE = 10  # page ids leave room for the pages that accompany an article


def write_dump(
    folder: Path | str, n_articles: int, seed: int, pages_a_stream: int = 100
) -> tuple[Path, Path]:
    """Writes the dump and its index below `folder`/wiki; returns their paths.

    At most one stream is held in memory.

    Raises:
        InputError: the number of articles is negative, or streams have no pages.
    """
    if n_articles < 0 or pages_a_stream < 1:
        raise InputError(
            f"want n_articles >= 0 and pages_a_stream >= 1; got {n_articles} and {pages_a_stream}"
        )
    wiki = Path(folder) / "wiki"
    wiki.mkdir(parents=True, exist_ok=True)
    dump_path, index_path = wiki / DUMP_NAME, wiki / INDEX_NAME
    pages = iter_pages(n_articles, seed)
    with dump_path.open("wb") as dump, bz2.open(index_path, "wt", encoding="utf-8") as index:
        offset = dump.write(bz2.compress(_make_header().encode()))
        while block := list(islice(pages, pages_a_stream)):
            for page_id, page in block:
                index.write(f"{offset}:{page_id}:{page.title}\n")
            text = "".join(make_page_xml(page_id, page, seed) for page_id, page in block)
            offset += dump.write(bz2.compress(text.encode()))
        dump.write(bz2.compress(b"</mediawiki>\n"))
    return dump_path, index_path


def iter_pages(n_articles: int, seed: int) -> Iterator[tuple[int, Page]]:
    """Yields all pages in the order of their ids: each article, then the pages that accompany
    it.
    """
    for number in range(n_articles):
        first_id = _IDS_PER_ARTICLE * (number + 1)
        article = make_article(number, seed)
        yield first_id, article
        for i, page in enumerate(_make_companions(number, article, seed), 1):
            yield first_id + i, page


def _make_companions(number: int, article: Page, seed: int) -> Iterator[Page]:
    """Yields redirects to an article, its talk page, and sometimes a page of another namespace."""
    rng = random.Random(f"companions/{seed}/{number}")
    thing = choose_thing(number)
    if rng.random() < 0.08:
        title = f"{article.title} (old name)"
        yield Page(title, 0, f"#REDIRECT [[{article.title}]]\n\n{{{{R from move}}}}", article.title)
    if rng.random() < 0.02:
        others = "\n".join(
            f"* [[{other.name.capitalize()}]], a {other.kind}" for other in kin(thing, 3)
        )
        text = f"'''{article.title}''' may refer to:\n{others}\n\n{{{{disambiguation}}}}"
        yield Page(f"{article.title} (disambiguation)", 0, text)
    if rng.random() < 0.05:
        text = (
            f"== Sources ==\nWhat about the {thing.name}? [[User:{name_person(rng)}]] 12:00\n"
            f": {say_filler(rng)} ~~~~"
        )
        yield Page(f"Talk:{article.title}", 1, text)
    if rng.random() < 0.03:
        text = f"Pages about the {thing.kind}.\n[[Category:Things|{thing.kind}]]"
        yield Page(f"Category:{article.title}", 14, text)
    if rng.random() < 0.02:
        text = (
            "<noinclude>{{documentation}}</noinclude><includeonly>{{#if:{{{1|}}}|"
            f"[[{thing.name}|{{{{{{1}}}}}}]]|[[{thing.kind}]]}}}}</includeonly>"
        )
        yield Page(f"Template:{article.title} box", 10, text)


def make_page_xml(page_id: int, page: Page, seed: int) -> str:
    """Returns one `<page>` element, indented as MediaWiki does."""
    rng = random.Random(f"revision/{seed}/{page_id}")
    text = page.text.encode()
    # MediaWiki writes SHA-1 in base 36
    sha1 = _to_base36(int.from_bytes(hashlib.sha1(text, usedforsecurity=False).digest(), "big"))
    redirect = f'    <redirect title="{_quote(page.redirect)}" />\n' if page.redirect else ""
    day = f"{rng.randint(2005, 2015)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    parent = f"      <parentid>{page_id * 3}</parentid>\n" if rng.random() < 0.7 else ""
    if rng.random() < 0.1:
        who = f"<ip>192.0.2.{rng.randint(1, 254)}</ip>"
    else:
        who = f"<username>{name_person(rng)}</username>\n        <id>{rng.randint(1, 9999)}</id>"
    return (
        f"  <page>\n    <title>{escape(page.title)}</title>\n    <ns>{page.ns}</ns>\n"
        f"    <id>{page_id}</id>\n{redirect}    <revision>\n      <id>{page_id * 3 + 1}</id>\n"
        f"{parent}      <timestamp>{day}T12:00:00Z</timestamp>\n"
        f"      <contributor>\n        {who}\n      </contributor>\n"
        f"      <comment>/* History */ dates &amp; names</comment>\n"
        f"      <origin>{page_id * 3 + 1}</origin>\n      <model>wikitext</model>\n"
        f"      <format>text/x-wiki</format>\n"
        f'      <text bytes="{len(text)}" sha1="{sha1}" xml:space="preserve">{escape(page.text)}'
        f"</text>\n      <sha1>{sha1}</sha1>\n    </revision>\n  </page>\n"
    )


def _quote(text: str) -> str:
    return escape(text, {'"': "&quot;"})


def _to_base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(31, "0")


def _make_header() -> str:
    names = "".join(
        f'      <namespace key="{key}" case="first-letter">{name}</namespace>\n'
        if name
        else f'      <namespace key="{key}" case="first-letter" />\n'
        for key, name in _NAMESPACES.items()
    )
    return (
        f'<mediawiki xmlns="{_EXPORT}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_EXPORT} http://www.mediawiki.org/xml/export-0.11.xsd" '
        'version="0.11" xml:lang="en">\n  <siteinfo>\n    <sitename>Sample</sitename>\n'
        "    <dbname>samplewiki</dbname>\n    <base>https://www.example.org/wiki/Main_Page</base>\n"
        "    <generator>MediaWiki 1.42.0</generator>\n    <case>first-letter</case>\n"
        f"    <namespaces>\n{names}    </namespaces>\n  </siteinfo>\n"
    )
