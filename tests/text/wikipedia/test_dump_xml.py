import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.wikipedia.dump_xml import BrokenXmlError, Page, PageParser, RefusedXmlError
from tests.text.wikipedia.dumps import HEAD, TAIL, page_groups, page_xml, xml_of


def parse(data: bytes, inside_root: bool = False, pieces: tuple[int, ...] = ()) -> list[Page]:
    """The pages of `data`, fed in pieces of these sizes and then the rest."""
    parser, pages, at = PageParser(inside_root), [], 0
    for size in (*pieces, len(data)):
        pages += parser.feed(data[at : at + size])
        at += size
    parser.close(at_end=True)
    return pages


@given(page_groups(), st.lists(st.integers(1, 500), max_size=20))
def test_pages_do_not_depend_on_where_the_bytes_are_divided(groups, pieces):
    data = xml_of(groups).encode()
    whole = parse(data)
    assert [(p.title, p.text, p.namespace) for p in whole] == [
        (page.title, page.text, page.namespace) for group in groups for page in group
    ]
    assert parse(data, pieces=tuple(pieces)) == whole
    assert parse(data[len(HEAD.encode()) :], inside_root=True) == whole


def test_tells_the_byte_of_a_fault_within_the_data_just_fed():
    parser = PageParser(inside_root=True)
    first = page_xml(1, "a", "x").encode()
    assert len(list(parser.feed(first))) == 1
    assert parser.page_start == 0
    second = page_xml(2, "b", "y").encode() + b"\n<page><title>\0"
    read = []
    with pytest.raises(BrokenXmlError, match="not well-formed") as raised:
        read.extend(parser.feed(second))
    assert second[raised.value.at :].startswith((b"\0", b"<title>"))
    assert parser.page_start == len(first) + second.rindex(b"<page>")


@pytest.mark.parametrize("missing", ["<title>a</title>", "<id>1</id>"])
def test_a_page_that_lost_its_id_or_title_is_no_page(missing):
    broken = page_xml(1, "a", "x").replace(missing, "", 1)
    with pytest.raises(BrokenXmlError, match="without an id or a title"):
        parse((HEAD + broken + TAIL).encode())


def test_says_in_which_page_the_bytes_end():
    parser = PageParser(inside_root=False)
    list(parser.feed((HEAD + page_xml(1, "a", "x")).encode()))
    parser.close(at_end=False)
    with pytest.raises(BrokenXmlError, match="without </mediawiki>"):
        parser.close(at_end=True)
    parser = PageParser(inside_root=True)
    list(parser.feed(b"<page><title>Albedo</title><rev"))
    with pytest.raises(BrokenXmlError, match="ends inside the page 'Albedo'"):
        parser.close(at_end=False)


def test_refuses_a_tag_that_never_ends():
    parser = PageParser(inside_root=True)
    assert list(parser.feed(b"<page a='")) == []

    def feed_for_ever():
        while True:
            list(parser.feed(b"x" * (1 << 22)))

    with pytest.raises(RefusedXmlError, match="a tag longer than"):
        feed_for_ever()


SITE = (
    '<mediawiki version="0.3" xml:lang="en"><siteinfo><sitename>w</sitename><namespaces>'
    '<namespace key="-2">Media</namespace><namespace key="0" /><namespace key="1">Talk</namespace>'
    '<namespace key="2" case="first-letter">Benutzer</namespace>'
    '<namespace key="14">Kategorie</namespace></namespaces></siteinfo>\n'
)


def page_of(title: str, text: str = "", extra: str = "") -> str:
    """A page as dumps before schema 0.6 have it, without the number of its namespace."""
    return (
        f"<page><title>{title}</title><id>1</id>{extra}"
        f"<revision><id>2</id><text>{text}</text></revision></page>"
    )


@pytest.mark.parametrize(
    ("title", "namespace"),
    [
        ("Heron", 0),
        ("Talk:Heron", 1),
        ("Template:Bird box", 10),
        ("Category:Herons", 14),
        ("Kategorie:Reiher", 14),
        ("User:Someone", 2),
        ("Benutzer:Jemand", 2),
        ("Star Trek: Voyager", 0),
    ],
)
def test_without_a_number_the_title_tells_the_namespace_by_siteinfo(title, namespace):
    """Kind of fault: siteinfo, which names all namespaces, is not read."""
    [page] = parse((SITE + page_of(title) + TAIL).encode())
    assert page.namespace == namespace
    assert page.site.namespace_of("Kategorie:Reiher") == 14


@pytest.mark.parametrize(
    ("extra", "text", "redirect"),
    [
        ('<redirect title="Grey heron" />', "#REDIRECT [[Grey_heron#Calls]]", "Grey heron"),
        ("<redirect />", "#REDIRECT [[Grey heron]]", "Grey heron"),
        ("<redirect />", "", ""),
        ("", "#redirect[[Grey heron]]", "Grey heron"),
        ("", "The grey heron.", None),
    ],
)
def test_a_redirect_is_told_by_its_element_or_else_by_its_text(extra, text, redirect):
    """Kind of fault: what only newer dumps say in an element is not looked for in the text."""
    [page] = parse((SITE + page_of("Herons", text, extra) + TAIL).encode())
    assert page.redirect == redirect


def revision(number: int, time: str = "") -> str:
    stamp = f"<timestamp>{time}</timestamp>" if time else ""
    return f"<revision><id>{number}</id>{stamp}<text>r{number}</text></revision>"


@pytest.mark.parametrize(
    ("revisions", "newest"),
    [
        ([revision(11), revision(13), revision(12)], "13"),
        ([revision(9, "2020-01-02T00:00:00Z"), revision(10, "2020-01-01T00:00:00Z")], "9"),
        ([revision(9, "2020-01-01T00:00:00Z"), revision(10, "2020-01-01T00:00:00Z")], "10"),
        ([revision(9, "0001-01-01T00:00:00+23:59"), revision(8, "2020-01-01T00:00:00Z")], "8"),
        ([revision(9)], "9"),
    ],
)
def test_of_several_revisions_the_newest_counts(revisions, newest):
    """Kind of fault: which revision counts is decided by its place in the file."""
    xml = f"{SITE}<page><title>a</title><ns>0</ns><id>1</id>{''.join(revisions)}</page>{TAIL}"
    [page] = parse(xml.encode())
    assert (page.revision_id, page.text) == (newest, f"r{newest}")


def test_a_history_is_not_too_long_where_each_of_its_revisions_is_not(monkeypatch):
    monkeypatch.setattr("devise_lib.text.wikipedia.dump_xml._MAX_PAGE_CHARS", 100)
    long = revision(1).replace("r1", "x" * 60)
    [page] = parse(f"{SITE}<page><title>a</title><id>1</id>{long * 3}</page>{TAIL}".encode())
    assert len(page.text) == 60
    with pytest.raises(RefusedXmlError, match="longer than 100"):
        parse((SITE + page_of("a", "x" * 101)).encode())
