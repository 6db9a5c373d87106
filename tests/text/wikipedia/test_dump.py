import bz2
import pickle
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.text.wikipedia.damage import PageName
from devise_lib.text.wikipedia.dump import (
    ByteRange,
    Damage,
    DumpDamagedError,
    Page,
    plan_ranges,
    read_pages,
    read_whole_pages,
)
from tests.text.wikipedia.dumps import (
    HEAD,
    TAIL,
    Draft,
    numbered,
    page_groups,
    page_xml,
    streams_of,
    whole_file,
    with_another_letter,
    write_multistream,
    write_plain,
    xml_of,
)

in_one_folder = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def drafts(pages: list[Page]) -> list[Draft]:
    return [Draft(int(p.page_id), p.title, p.text, p.namespace) for p in pages]


def read_until_damage(byte_range: ByteRange) -> tuple[list[Page], DumpDamagedError | None]:
    pages = []
    try:
        for page in read_pages(byte_range):
            pages.append(page)
    except DumpDamagedError as error:
        return pages, error
    return pages, None


def read_whole(*ranges: ByteRange) -> tuple[list[Page], list[Damage]]:
    found = [each for byte_range in ranges for each in read_whole_pages(byte_range)]
    pages = [each for each in found if isinstance(each, Page)]
    return pages, [each for each in found if isinstance(each, Damage)]


def test_gives_every_field_of_a_page(tmp_path):
    redirect = '<redirect title="Old &amp; new"/>'
    page = page_xml(12, "A <b>", "x & y", namespace=14, extra=redirect)
    dump = write_plain(tmp_path / "d.xml", [page])
    assert list(read_pages(whole_file(dump, "xml"))) == [
        Page(
            page_id="12",
            revision_id="1012",
            namespace=14,
            title="A <b>",
            redirect="Old & new",
            timestamp=datetime(2020, 5, 27, 21, 47, 28, tzinfo=UTC),
            text="x & y",
        )
    ]


@in_one_folder
@given(page_groups(min_size=1), st.integers(0, 10**6), st.sampled_from(["bz2", "xml"]))
def test_xml_cut_anywhere_gives_the_whole_pages_before_it_then_an_error(tmp_path, groups, at, kind):
    flat = [page for group in groups for page in group]
    xml = xml_of(groups).encode()
    cut = xml[: at % (len(xml) - len(TAIL))]
    dump = tmp_path / "cut"
    dump.write_bytes(bz2.compress(cut) if kind == "bz2" else cut)

    read, error = read_until_damage(whole_file(dump, kind))

    assert drafts(read) == flat[: len(read)]
    assert len(read) == cut.count(b"</page>")
    assert error is not None
    assert error.damage.reason == "truncated"
    last = PageName(read[-1].page_id, read[-1].title) if read else None
    assert error.damage.last_page == last
    whole, [damage] = read_whole(whole_file(dump, kind))
    assert whole == read
    assert damage == error.damage


@in_one_folder
@given(page_groups(min_size=1), st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 5))
def test_a_multistream_dump_cut_anywhere_gives_each_whole_page_before_the_cut(
    tmp_path, groups, at, level, tasks
):
    index = tmp_path / "d-index.txt"
    dump = write_multistream(tmp_path / "d.xml.bz2", groups, index, level)
    data = dump.read_bytes()
    cut = len(streams_of(groups)[0]) + at % (len(data) - len(streams_of(groups)[0]))
    dump.write_bytes(data[:cut])
    ends = [len(b"".join(streams_of(groups, level)[: n + 2])) for n in range(len(groups))]
    whole_groups = [group for group, end in zip(groups, ends, strict=True) if end <= cut]
    flat = [page for group in groups for page in group]
    if not any(whole_groups):  # nothing is left to know the index by
        index.unlink(missing_ok=True)
    ranges = plan_ranges(str(dump), None, tasks)

    pages, damages = read_whole(*ranges)

    assert drafts(pages) == flat[: len(pages)]
    assert len(pages) >= sum(len(group) for group in whole_groups)
    assert [damage.reason for damage in damages] == ["truncated"]
    assert damages[0].stop == cut
    if index.exists():
        assert damages[0].pages_lost == len(flat) - len(pages)
    with pytest.raises(DumpDamagedError, match=r"truncated.*fetch the dump again.*damaged=refuse"):
        [page for byte_range in ranges for page in read_pages(byte_range)]


@st.composite
def wounds(draw):
    """A change of some bytes: (place in [0, 1), what becomes of the bytes from there on)."""
    place = draw(st.floats(0, 1, exclude_max=True))
    bit = draw(st.integers(0, 7))
    block = draw(st.integers(1, 2000))
    kind = draw(st.sampled_from(["flip", "zero"]))
    return place, (lambda old: bytes([old[0] ^ 1 << bit])) if kind == "flip" else (
        lambda old: bytes(min(block, len(old)))
    )


def wound(data: bytes, changes) -> tuple[bytes, set[int]]:
    """The bytes after the changes, and where they differ."""
    hurt = bytearray(data)
    for place, change in changes:
        at = int(place * len(data))
        new = change(bytes(hurt[at:]))
        hurt[at : at + len(new)] = new
    return bytes(hurt), {i for i, (a, b) in enumerate(zip(data, hurt, strict=True)) if a != b}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    page_groups(min_size=1),
    st.lists(wounds(), min_size=1, max_size=3),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_only_the_damaged_streams_of_a_dump_are_lost_and_no_page_is_ever_wrong(
    tmp_path, groups, changes, level, tasks
):
    (tmp_path / "d-index.txt").unlink(missing_ok=True)
    dump = write_multistream(tmp_path / "d.xml.bz2", groups, tmp_path / "index.txt", level)
    streams = streams_of(groups, level)
    data, changed = wound(dump.read_bytes(), changes)
    indexed = plan_ranges(str(dump), str(tmp_path / "index.txt"), tasks)
    dump.write_bytes(data)
    start, sound = len(streams[0]), []
    for stream, group in zip(streams[1:], groups, strict=False):
        if changed.isdisjoint(range(start, start + len(stream))):
            sound += group
        start += len(stream)
    flat = [page for group in groups for page in group]
    if not data.startswith(b"BZh"):
        with pytest.raises(InputError, match="is no MediaWiki dump"):
            plan_ranges(str(dump), None, tasks)
        return

    for ranges in (plan_ranges(str(dump), None, tasks), indexed):
        pages, damages = read_whole(*ranges)
        read = drafts(pages)
        assert [page for page in read if page in sound] == sound
        assert [page for page in flat if page in read] == read  # each as it was, once, in order
        assert damages or len(read) == len(flat)
        ids = {page.page_id for page in read}
        for damage in damages:
            last, first = damage.last_page, damage.first_page
            assert last is None or int(last.page_id) in ids
            assert first is None or int(first.page_id) in ids
            assert 0 <= damage.start <= damage.stop <= len(data)
            between = range(damage.start - 10, damage.stop + 1)  # 10: the end of the one before
            assert not changed.isdisjoint(between) or damage.reason != "corrupt"
        until = [read_until_damage(byte_range) for byte_range in ranges]
        assert any(error for _, error in until) == bool(damages)
        assert all(page in flat for before, _ in until for page in drafts(before))
    for byte_range in indexed:
        pages, damages = read_whole(byte_range)
        lost = byte_range.pages - len(pages)
        assert [d.pages_lost for d in damages] in ([], [lost], [None] * len(damages))
        assert not lost or damages


@in_one_folder
@given(page_groups(min_size=1), st.lists(wounds(), min_size=1, max_size=2), st.integers(1, 9))
def test_a_dump_of_one_stream_gives_right_pages_alone_and_tells_of_the_rest(
    tmp_path, groups, changes, level
):
    data, _ = wound(bz2.compress(xml_of(groups).encode(), level), changes)
    dump = tmp_path / "d.xml.bz2"
    dump.write_bytes(data)
    flat = [page for group in groups for page in group]
    pages, damages = read_whole(whole_file(dump))
    assert drafts(pages) == flat[: len(pages)]
    assert damages or len(pages) == len(flat)
    if not damages:  # a few bits of a stream mean nothing, such as its last ones
        assert bz2.decompress(data) == xml_of(groups).encode()


@in_one_folder
@given(page_groups(min_size=2), st.integers(0, 10**6), st.integers(1, 3000))
@example([[Draft(1, "0", ""), Draft(2, "0", "")]], len(page_xml(1, "0", "")) - 1, 1)
@example([[Draft(1, "0", ""), Draft(2, "0", "")]], 2 * len(page_xml(1, "0", "")) - 1, 1)
def test_plain_xml_goes_on_at_the_next_page_behind_zeroed_bytes(tmp_path, groups, place, length):
    flat = [page for group in groups for page in group]
    xml = xml_of(groups).encode()
    body = range(len(HEAD.encode()), len(xml) - len(TAIL))
    if not flat:
        return
    start = body.start + place % len(body)
    stop = min(start + length, body.stop)
    data = xml[:start] + bytes(stop - start) + xml[stop:]
    dump = tmp_path / "d.xml"
    dump.write_bytes(data)
    sound, at = [], body.start
    for page in flat:
        end = at + len(page.xml().encode())
        if end - len("\n") <= start or at >= stop:
            sound.append(page)
        at = end

    pages, [damage] = read_whole(whole_file(dump, "xml"))

    assert [page for page in drafts(pages) if page in sound] == drafts(pages)
    assert len(sound) - len(pages) in (0, 1)  # the line end before it belongs to no page
    assert damage.reason == "not_well_formed"
    assert damage.start <= start < damage.stop
    assert damage.start <= damage.fault <= damage.stop
    assert damage.first_page is None or data[damage.stop :].startswith(b"<page>")


def test_goes_on_behind_a_damaged_stream_and_names_the_pages_around_it(tmp_path):
    groups = numbered([("a", "x")], [("b", "y" * 999), ("c", "")], [("d", "z"), ("e", "")])
    dump = write_multistream(tmp_path / "d.xml.bz2", groups, tmp_path / "d-index.txt")
    heads = [len(b"".join(streams_of(groups)[: n + 1])) for n in range(4)]
    data = bytearray(dump.read_bytes())
    data[heads[2] - 20] ^= 1
    dump.write_bytes(data)

    [whole] = plan_ranges(str(dump), None, 1)
    pages, damages = read_whole(whole)

    assert [page.title for page in pages] == ["a", "d", "e"]
    assert damages == [
        Damage(
            path=str(dump),
            start=heads[1],
            stop=heads[2],
            fault=len(data),
            reason="corrupt",
            message=f"no whole bz2 stream starts at byte {heads[1]}",
            last_page=PageName("1", "a"),
            first_page=PageName("4", "d"),
            pages_lost=2,
        )
    ]


def test_the_error_names_path_offset_the_pages_around_it_and_what_to_do(tmp_path):
    dump = write_multistream(tmp_path / "d.xml.bz2", numbered([("a", "x")], [("b", "y" * 999)]))
    whole = dump.read_bytes()
    closing = whole.rindex(b"BZh")
    start = whole.rindex(b"BZh", 0, closing)
    dump.write_bytes(whole[: closing - 20])  # inside the stream of b

    with pytest.raises(
        DumpDamagedError,
        match=rf"d\.xml\.bz2: damaged from byte {start} on, "
        r"found at byte \d+ \(truncated; last whole page before it in its range: 'a', id 1; "
        r"first one after it: none\): the file ends inside a bz2 stream; "
        r"fetch the dump.*damaged=refuse",
    ) as raised:
        list(read_pages(whole_file(dump)))

    sent = pickle.loads(pickle.dumps(raised.value))  # as from a worker to the driver
    assert (str(sent), sent.damage) == (str(raised.value), raised.value.damage)


def test_the_error_names_the_first_page_behind_the_damage_too(tmp_path):
    groups = numbered([("a", "x")], [("b", "y" * 999)], [("c", "z")])
    dump = write_multistream(tmp_path / "d.xml.bz2", groups)
    whole = bytearray(dump.read_bytes())
    last = whole.rindex(b"BZh", 0, whole.rindex(b"BZh"))  # of c; the closing tag is behind it
    whole[last - 40] ^= 255
    dump.write_bytes(whole)
    given = []
    with pytest.raises(DumpDamagedError, match=r"before it .*'a', id 1; first one after it: 'c'"):
        given.extend(read_pages(whole_file(dump)))
    given = [page for page in given if page.title != "a"]
    assert not given, "nothing behind the damage"


def test_a_page_over_several_streams_is_read_and_lost_whole(tmp_path):
    long = Draft(2, "b", "".join(f"{n} words " for n in range(20_000)))
    xml = xml_of([[Draft(1, "a", "x"), long, Draft(3, "c", "y"), Draft(4, "d", "z" * 400)]])
    data = xml.encode()
    cuts = [0, 700, 90_000, 130_000, len(data) - 300, len(data)]
    packed = [bz2.compress(data[a:b]) for a, b in pairwise(cuts)]
    dump = tmp_path / "d.xml.bz2"
    dump.write_bytes(b"".join(packed))
    assert [p.title for p in read_pages(whole_file(dump))] == ["a", "b", "c", "d"]
    hurt = bytearray(dump.read_bytes())
    hurt[len(packed[0]) + 500] ^= 16
    dump.write_bytes(hurt)
    pages, [damage] = read_whole(whole_file(dump))
    assert [page.title for page in pages] == ["a", "c", "d"]
    assert (damage.last_page.title, damage.first_page.title) == ("a", "c")


def test_another_number_of_pages_than_the_index_says_is_damage(tmp_path):
    dump = write_multistream(tmp_path / "d.xml.bz2", numbered([("a", "x"), ("b", "y")]))
    counted = whole_file(dump, pages=3)
    with pytest.raises(DumpDamagedError, match="hold 2 pages, the index says 3"):
        list(read_pages(counted))
    pages, [damage] = read_whole(counted)
    assert [page.title for page in pages] == ["a", "b"]
    assert (damage.reason, damage.pages_lost) == ("count_differs", 1)


def test_bytes_that_are_missing_between_two_pages_lose_these_two_alone(tmp_path):
    pages = [page_xml(n, f"page {n}", "text " * 20) for n in range(5)]
    xml = HEAD + "".join(pages) + TAIL
    dump = tmp_path / "d.xml"
    dump.write_text(xml[: xml.index(pages[1]) + 200] + xml[xml.index(pages[3]) :])
    read, [damage] = read_whole(whole_file(dump, "xml"))
    assert [page.title for page in read] == ["page 0", "page 3", "page 4"]
    assert "inside another" in damage.message
    dump.write_text(HEAD + "<page><title>a</title></page>" + "".join(pages) + TAIL)
    read, [damage] = read_whole(whole_file(dump, "xml"))
    assert [page.title for page in read] == [f"page {n}" for n in range(5)]
    assert "without an id" in damage.message


def test_of_a_huge_stream_the_pages_before_the_damaged_block_are_kept(tmp_path):
    text = "j" * 1_700_000  # blocks of the greatest length there is, 46 MB
    packer = bz2.BZ2Compressor()
    xml = [HEAD, *(page_xml(n, f"page {n}", text) for n in range(60)), TAIL]
    data = b"".join([packer.compress(part.encode()) for part in xml] + [packer.flush()])
    dump = tmp_path / "d.xml.bz2"
    dump.write_bytes(with_another_letter(data, 1, "j", "k"))
    pages, [damage] = read_whole(whole_file(dump))
    assert [page.title for page in pages] == [f"page {n}" for n in range(len(pages))]
    assert all(page.text == text for page in pages)
    assert 20 <= len(pages) <= 46_700_000 // 1_700_000
    assert damage.reason == "corrupt"
    assert damage.last_page.title == pages[-1].title


def test_a_range_beyond_the_end_of_a_file_that_shrank_is_damage(tmp_path):
    dump = write_plain(tmp_path / "d.xml", [page_xml(1, "a", "x")])
    size = dump.stat().st_size
    with pytest.raises(DumpDamagedError, match=f"want {size + 5} bytes"):
        list(read_pages(ByteRange(str(dump), 0, size + 5, True, "xml")))


BOMB = '<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><mediawiki>&b;</mediawiki>'


def test_the_names_of_the_wiki_are_known_behind_damage_too(tmp_path):
    head = HEAD.replace("Template", "Vorlage")
    pages = [page_xml(n, f"Vorlage:{n}", "a").replace("<ns>0</ns>", "") for n in range(3)]
    pages[1] = pages[1].replace("</title>", "")
    (tmp_path / "d.xml").write_text(head + "".join(pages) + TAIL, encoding="utf-8")
    found = read_whole_pages(whole_file(tmp_path / "d.xml", "xml"))
    assert [page.namespace for page in found if isinstance(page, Page)] == [10, 10]


@pytest.mark.parametrize("damaged", [False, True])
def test_every_range_knows_the_names_of_the_wiki_from_the_head_of_its_file(tmp_path, damaged):
    """Kind of fault: what only the head of a file says is lost where a file is cut.

    Where the head itself is damaged, the English names stay.
    """
    head = HEAD.replace("Template", "Vorlage").encode()
    pages = [page_xml(n, f"Vorlage:{n}", "a").replace("<ns>0</ns>", "") for n in range(3)]
    streams = [bz2.compress(part) for part in (head, *(page.encode() for page in pages))]
    if damaged:
        streams[0] = streams[0][:20] + bytes(10) + streams[0][30:]
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(b"".join(streams))
    at = len(streams[0])
    for stream in streams[1:]:
        [page] = read_pages(ByteRange(str(path), at, at + len(stream), False, "bz2"))
        at += len(stream)
        assert page.namespace == (0 if damaged else 10)
        assert page.site.namespace_of("Template:a") == 10


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (BOMB, "a DTD"),
        ("<html><page/></html>", "its root is <html>"),
        ("<mediawiki>" + "<a>" * 1000, "nested deeper"),
    ],
)
@pytest.mark.parametrize("read", [read_pages, read_whole_pages])
def test_refuses_what_is_no_dump_and_says_so(tmp_path, xml, message, read):
    dump = tmp_path / "d.xml"
    dump.write_text(xml, encoding="utf-8")
    with pytest.raises(InputError, match=message) as raised:
        list(read(whole_file(dump, "xml")))
    assert not isinstance(raised.value, DumpDamagedError)


@pytest.mark.parametrize("read", [read_pages, read_whole_pages])
def test_refuses_a_page_that_no_memory_should_hold(tmp_path, read):
    dump = tmp_path / "d.xml.bz2"
    packer = bz2.BZ2Compressor()
    with dump.open("wb") as file:  # 130 MB of spaces, packed into some hundred bytes
        file.write(packer.compress(b"<mediawiki><page><title>a</title><revision><text>"))
        for _ in range(130):
            file.write(packer.compress(b" " * 1_000_000))
        file.write(packer.flush())
    with pytest.raises(InputError, match="'a' is longer than"):
        list(read(whole_file(dump)))


@pytest.mark.data
@pytest.mark.parametrize(("wiki", "pages"), [("el", 933), ("uk", 532), ("ja", 238)])
def test_gives_the_whole_pages_of_real_dumps_that_are_cut_off(devise_data, wiki, pages):
    dump = devise_data / "wiki" / f"{wiki}wiki-truncated.xml.bz2"
    [whole] = plan_ranges(str(dump), None, 3)
    read, error = read_until_damage(whole)
    assert len(read) == pages
    assert error is not None
    assert error.damage.last_page == PageName.of(read[-1])
    assert "ends inside the page" in str(error)
    kept, [damage] = read_whole(whole)
    assert kept == read
    assert (damage.reason, damage.first_page) == ("truncated", None)
