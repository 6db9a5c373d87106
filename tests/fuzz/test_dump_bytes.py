"""Damaged and hostile dumps: pages, damage or a clear refusal, and of bz2 never a wrong page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.text.wikipedia.dump import (
    ByteRange,
    Damage,
    Page,
    plan_ranges,
    read_pages,
    read_whole_pages,
)
from tests.fuzz.conftest import limits
from tests.text.wikipedia.dumps import HEAD, TAIL, numbered, page_xml, streams_of

PAGES = numbered(
    [("Heron", "The '''heron''' is a bird."), ("Crane", "#REDIRECT [[Heron]]")],
    [("Marsh", "water " * 200), ("Reed & rush", "<nowiki>a</nowiki>")],
    [("Talk:Heron", "why?")],
)
WHOLE = {page.title: page.text for group in PAGES for page in group}
BZ2 = b"".join(streams_of(PAGES))
XML = (HEAD + "".join(page.xml() for group in PAGES for page in group) + TAIL).encode()

# What is done to bytes: where (a share of their length), how many, and what comes in their place.
changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "double", "insert", "swap"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 400),
        st.binary(max_size=8) | st.sampled_from([b"<page>", b"</page>", b"BZh9", b"&a;", b"<!--"]),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, steps: list[tuple[str, float, int, bytes]]) -> bytes:
    for kind, share, length, piece in steps:
        at = int(share * len(data))
        end = min(len(data), at + length)
        if kind == "flip" and data:
            data = data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[end:]
        elif kind == "double":
            data = data[:end] + data[at:]
        elif kind == "insert":
            data = data[:at] + piece + data[at:]
        elif kind == "swap":
            data = data[:at] + data[end : end + length] + data[at:end] + data[end + length :]
    return data


def found_in(path: Path, read: Callable[[ByteRange], Iterator[Page | Damage]]) -> list[Page]:
    """The pages of all ranges of a file; what is refused gives none."""
    pages: list[Page] = []
    refusals: list[str] = []
    try:
        for byte_range in plan_ranges(str(path), None, 3):
            try:
                pages += [each for each in read(byte_range) if isinstance(each, Page)]
            except InputError as error:
                refusals.append(str(error))
    except InputError as error:
        refusals.append(str(error))
    assert all(str(path) in refusal for refusal in refusals)
    return pages


@pytest.fixture
def dump(tmp_path) -> Path:
    return tmp_path / "d.xml.bz2"


@pytest.mark.parametrize("read", [read_pages, read_whole_pages])
def test_of_bz2_every_page_that_is_given_is_a_page_of_the_dump(fuzz, dump, read):
    """A block's checksum tells changed bytes; whole streams may be doubled or in another order."""

    def check(steps: list[tuple[str, float, int, bytes]]) -> None:
        dump.write_bytes(changed(BZ2, steps))
        with limits(5, 200):
            for page in found_in(dump, read):
                assert page.text == WHOLE[page.title]

    fuzz(check, changes, examples=60)


def test_of_plain_xml_any_bytes_give_pages_or_damage(fuzz, dump):
    def check(steps: list[tuple[str, float, int, bytes]]) -> None:
        dump.write_bytes(changed(XML, steps))
        with limits(5, 200):
            found_in(dump, read_whole_pages)

    fuzz(check, changes, examples=60)


names = st.sampled_from(
    [
        "mediawiki",
        "siteinfo",
        "namespaces",
        "namespace",
        "page",
        "title",
        "ns",
        "id",
        "redirect",
        "revision",
        "timestamp",
        "text",
        "contributor",
        "w:page",
        "é",
    ]
)
values = st.text(st.characters(codec="utf-8", exclude_characters='<&"\0'), max_size=12) | (
    st.sampled_from(["0", "-1", "--5", "1e9", "9" * 400, "٣", " 14 ", "0001-01-01T00:00:00+23:59"])
    | st.sampled_from(["9999-12-31T23:59:59-23:59", "2020-02-30T00:00:00Z", "#REDIRECT [[a]]"])
)
attributes = st.builds(
    ' {}="{}"'.format, st.sampled_from(["key", "title", "deleted", "bytes"]), values
)
elements = st.recursive(
    values,
    lambda inner: st.builds(
        lambda name, attribute, parts: f"<{name}{attribute}>{''.join(parts)}</{name}>",
        names,
        st.just("") | attributes,
        st.lists(inner, max_size=5),
    ),
    max_leaves=20,
)


def test_any_elements_in_any_place_give_pages_or_damage(fuzz, dump):
    def check(parts: list[str]) -> None:
        last = page_xml(9, "Last", "whole")
        dump.write_text(f"<mediawiki>{''.join(parts)}{last}</mediawiki>", encoding="utf-8")
        with limits(5, 200):
            pages = found_in(dump, read_whole_pages)
        assert all(isinstance(page.namespace, int) for page in pages)

    fuzz(check, st.lists(elements, max_size=6), examples=80)
