import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.dump_xml import BrokenXmlError, Page, PageParser, RefusedXmlError
from tests.text.dumps import HEAD, TAIL, page_groups, page_xml, xml_of


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
