"""The dump is a true multistream one, and its articles have the markup of real ones."""

import bz2
import hashlib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from devise_lib.errors import InputError
from devise_lib.sample.articles import make_article
from devise_lib.sample.dump import iter_pages, make_page_xml, write_dump

N_ARTICLES = 300
EXPORT = "{http://www.mediawiki.org/xml/export-0.11/}"


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_dump(tmp_path_factory.mktemp("sample"), N_ARTICLES, seed=3, pages_a_stream=50)


def test_the_dump_and_its_index_lie_below_wiki(dump: tuple[Path, Path]) -> None:
    assert [path.name for path in dump] == [
        "sample-pages-articles-multistream.xml.bz2",
        "sample-pages-articles-multistream-index.txt.bz2",
    ]
    assert {path.parent.name for path in dump} == {"wiki"}


def test_the_same_seed_gives_the_same_bytes(dump: tuple[Path, Path], tmp_path: Path) -> None:
    again = write_dump(tmp_path, N_ARTICLES, seed=3, pages_a_stream=50)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in dump]


def test_another_seed_gives_another_text() -> None:
    assert make_article(70, seed=0).text != make_article(70, seed=1).text


def test_the_whole_is_well_formed_and_holds_every_page(dump: tuple[Path, Path]) -> None:
    root = ElementTree.fromstring(bz2.decompress(dump[0].read_bytes()))
    assert root.tag == f"{EXPORT}mediawiki"
    pages = root.findall(f"{EXPORT}page")
    expected = list(iter_pages(N_ARTICLES, seed=3))
    assert [int(page.findtext(f"{EXPORT}id") or 0) for page in pages] == [
        page_id for page_id, _ in expected
    ]
    for element, (_, page) in zip(pages, expected, strict=True):
        revision = element.find(f"{EXPORT}revision")
        assert revision is not None
        assert element.findtext(f"{EXPORT}title") == page.title
        assert element.findtext(f"{EXPORT}ns") == str(page.ns)
        assert revision.findtext(f"{EXPORT}text") == page.text
        redirect = element.find(f"{EXPORT}redirect")
        assert (redirect.get("title") if redirect is not None else "") == page.redirect


def test_each_offset_of_the_index_starts_a_stream_of_those_pages(dump: tuple[Path, Path]) -> None:
    content = dump[0].read_bytes()
    with bz2.open(dump[1], "rt", encoding="utf-8") as index:
        lines = [line.rstrip("\n").split(":", 2) for line in index]
    streams: dict[int, list[tuple[str, str]]] = {}
    for start, page_id, title in lines:
        streams.setdefault(int(start), []).append((page_id, title))
    assert len(streams) == -(-len(lines) // 50) > 1
    for offset, listed in streams.items():
        text = bz2.BZ2Decompressor().decompress(content[offset:]).decode()
        pages = ElementTree.fromstring(f"<pages>{text}</pages>")
        found = [(page.findtext("id"), page.findtext("title")) for page in pages]
        assert found == listed
        assert len(found) <= 50


def test_header_and_footer_are_streams_of_their_own(dump: tuple[Path, Path]) -> None:
    content, texts = dump[0].read_bytes(), []
    while content:
        stream = bz2.BZ2Decompressor()
        texts.append(stream.decompress(content).decode())
        content = stream.unused_data
    assert texts[0].startswith("<mediawiki ")
    assert texts[0].endswith("</siteinfo>\n")
    assert all(text.startswith("  <page>") for text in texts[1:-1])
    assert texts[-1] == "</mediawiki>\n"


def test_titles_and_ids_are_given_once_and_ids_grow() -> None:
    pages = list(iter_pages(2000, seed=0))
    ids = [page_id for page_id, _ in pages]
    assert ids == sorted(set(ids))
    assert len({page.title for _, page in pages}) == len(pages)


def test_pages_of_every_namespace_redirects_and_copies_occur() -> None:
    pages = [page for _, page in iter_pages(1000, seed=0)]
    namespaces = Counter(page.ns for page in pages)
    assert namespaces.keys() == {0, 1, 10, 14}
    assert namespaces[0] >= 1000
    titles = {page.title for page in pages}
    redirects = [page for page in pages if page.redirect]
    assert len(redirects) > 40
    assert all(page.redirect in titles for page in redirects)
    assert all(page.text.startswith("#REDIRECT [[") for page in redirects)
    assert any(page.title.endswith("(disambiguation)") for page in pages)


def test_a_copy_shares_nearly_all_paragraphs_with_an_earlier_article() -> None:
    copy = make_article(212, seed=0)
    originals = [make_article(number, seed=0) for number in range(141, 212)]
    mine = set(copy.text.split("\n\n"))
    shared = max(len(mine & set(page.text.split("\n\n"))) / len(mine) for page in originals)
    assert copy.title.endswith("copy)")
    assert 0.7 < shared < 1


@pytest.mark.parametrize(
    "markup",
    [
        "{{Infobox ",
        "{{cite book",
        "<ref name=",
        "{|",
        "[[File:",
        "<gallery",
        "[[Category:",
        "[[de:",
        "<!--",
        "'''",
        "== ",
        "* [[",
        "<math>",
        "&nbsp;",
        "[http",
        "|thumb|",
        "{{reflist",
        "&lang=",
    ],
)
def test_real_markup_occurs(markup: str) -> None:
    assert any(markup in make_article(number, seed=0).text for number in range(400))


def test_a_page_says_its_own_checksum() -> None:
    page = make_article(5, seed=0)
    element = ElementTree.fromstring(make_page_xml(60, page, seed=0))
    digest = hashlib.sha1(page.text.encode(), usedforsecurity=False).hexdigest()
    assert int(element.findtext("revision/sha1") or "", 36) == int(digest, 16)


def test_no_articles_give_a_dump_without_pages(tmp_path: Path) -> None:
    dump_path, index_path = write_dump(tmp_path, 0, seed=0)
    root = ElementTree.fromstring(bz2.decompress(dump_path.read_bytes()))
    assert [child.tag for child in root] == [f"{EXPORT}siteinfo"]
    assert bz2.decompress(index_path.read_bytes()) == b""


@pytest.mark.parametrize(("n_articles", "pages_a_stream"), [(-1, 100), (10, 0)])
def test_numbers_that_make_no_dump_are_refused(
    tmp_path: Path, n_articles: int, pages_a_stream: int
) -> None:
    with pytest.raises(InputError, match="pages_a_stream >= 1"):
        write_dump(tmp_path, n_articles, 0, pages_a_stream)
    assert not list(tmp_path.iterdir())
