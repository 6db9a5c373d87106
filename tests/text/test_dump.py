import bz2
import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.text.dump import ByteRange, DumpDamagedError, Page, plan_ranges, read_pages
from tests.text.dumps import HEAD, TAIL, page_xml, write_multistream, write_plain

in_one_folder = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
titles = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)
streams = st.lists(st.lists(st.tuples(titles, texts), min_size=1, max_size=4), max_size=8)


def read_all(ranges: list[ByteRange]) -> list[Page]:
    return [page for byte_range in ranges for page in read_pages(byte_range)]


def read_until_damage(byte_range: ByteRange) -> tuple[list[Page], DumpDamagedError | None]:
    pages = []
    try:
        for page in read_pages(byte_range):
            pages.append(page)
    except DumpDamagedError as error:
        return pages, error
    return pages, None


def numbered(groups: list[list[tuple[str, str]]]) -> list[list[str]]:
    """The pages of each stream as XML, with ids that count up."""
    ids = iter(range(1, 1000))
    return [[page_xml(next(ids), title, text) for title, text in group] for group in groups]


@in_one_folder
@given(streams, st.integers(1, 12), st.booleans())
def test_any_number_of_tasks_reads_each_page_once(tmp_path, groups, tasks, indexed):
    index = tmp_path / "streams.txt" if indexed else None
    dump = write_multistream(tmp_path / "a.xml.bz2", numbered(groups), index)

    ranges = plan_ranges(str(dump), str(index) if index else None, tasks)

    pages = read_all(ranges)
    flat = [page for group in groups for page in group]
    assert [(page.title, page.text) for page in pages] == flat
    assert [page.page_id for page in pages] == [str(n) for n in range(1, len(flat) + 1)]
    assert len(ranges) <= tasks


@in_one_folder
@given(streams.filter(bool), st.integers(0, 10_000))
def test_a_cut_anywhere_gives_the_whole_pages_before_it_then_an_error(tmp_path, groups, at):
    pages = [page for group in numbered(groups) for page in group]
    xml = (HEAD + "".join(pages) + TAIL).encode()
    cut = xml[: at % (len(xml) - len(TAIL))]
    dump = tmp_path / "cut.xml.bz2"
    dump.write_bytes(bz2.compress(cut))

    read, error = read_until_damage(ByteRange(str(dump), 0, None, "bz2"))

    assert [page.title for page in read] == [t for g in groups for t, _ in g][: len(read)]
    assert len(read) == cut.count(b"</page>")
    assert error is not None


def test_gives_every_field_of_a_page(tmp_path):
    redirect = '<redirect title="Old &amp; new"/>'
    page = page_xml(12, "A <b>", "x & y", namespace=14, extra=redirect)
    dump = write_plain(tmp_path / "d.xml", [page])
    assert read_all(plan_ranges(str(dump), None, 4)) == [
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


def test_cuts_a_multistream_dump_into_as_many_ranges_as_tasks(tmp_path):
    groups = numbered([[(f"page {n}", "text " * 50)] for n in range(40)])
    dump = write_multistream(tmp_path / "d.xml.bz2", groups)
    ranges = plan_ranges(str(dump), None, 4)
    assert len(ranges) == 4
    assert all(8 <= len(read_all([part])) <= 12 for part in ranges)


@pytest.mark.parametrize(
    ("dump_name", "index_name"),
    [
        ("w-multistream.xml.bz2", "w-multistream-index.txt.bz2"),
        ("w-multistream1.xml-p1p9.bz2", "w-multistream-index1.txt-p1p9.bz2"),
        ("w.xml.bz2", "w-index.txt"),
    ],
)
def test_finds_the_index_beside_the_dump(tmp_path, dump_name, index_name):
    dump = write_multistream(tmp_path / dump_name, numbered([[("a", "b")]] * 4))
    (tmp_path / index_name).write_text("999999:1:a\n", encoding="utf-8")  # only seen when read
    with pytest.raises(InputError, match="is not the index of"):
        plan_ranges(str(dump), None, 99)


def test_does_not_cut_where_a_parallel_compressor_cut_inside_a_page(tmp_path):
    xml = (HEAD + page_xml(1, "a", "long text " * 100) + TAIL).encode()
    dump = tmp_path / "d.xml.bz2"
    dump.write_bytes(bz2.compress(xml[:700]) + bz2.compress(xml[700:]))
    ranges = plan_ranges(str(dump), None, 10)
    assert len(ranges) == 1
    assert [page.title for page in read_all(ranges)] == ["a"]


def test_reads_a_folder_of_parts_in_the_order_of_their_names(tmp_path):
    write_plain(tmp_path / "w2.xml", [page_xml(3, "c", "")])
    index = tmp_path / "w-multistream-index1.txt-p1p2.bz2"
    parts = numbered([[("a", "")], [("b", "")]])
    write_multistream(tmp_path / "w-multistream1.xml-p1p2.bz2", parts, index)
    (tmp_path / "README").write_text("no part", encoding="utf-8")
    pages = read_all(plan_ranges(str(tmp_path), None, 6))
    assert [page.title for page in pages] == ["a", "b", "c"]


def test_names_path_offset_and_last_page_of_a_damaged_dump(tmp_path):
    dump = write_multistream(tmp_path / "d.xml.bz2", numbered([[("a", "x")], [("b", "y" * 999)]]))
    whole = dump.read_bytes()
    dump.write_bytes(whole[: whole.rindex(b"BZh") - 20])  # inside the stream of b

    with pytest.raises(DumpDamagedError, match=r"last page 'a'.*inside a bz2 stream") as raised:
        read_all([ByteRange(str(dump), 0, None, "bz2")])

    error = raised.value
    assert (error.path, error.offset, error.last_title) == (str(dump), dump.stat().st_size, "a")
    sent = pickle.loads(pickle.dumps(error))  # as from a worker to the driver
    assert (str(sent), sent.last_title) == (str(error), "a")


def test_a_flipped_byte_is_damage_and_not_an_end(tmp_path):
    dump = write_multistream(tmp_path / "d.xml.bz2", numbered([[("a", "x")], [("b", "y" * 999)]]))
    data = bytearray(dump.read_bytes())
    data[data.rindex(b"BZh") - 10] ^= 0xFF
    dump.write_bytes(data)
    with pytest.raises(DumpDamagedError, match="not bz2"):
        read_all([ByteRange(str(dump), 0, None, "bz2")])


def test_a_range_beyond_the_end_of_a_file_that_shrank_is_damage(tmp_path):
    dump = write_plain(tmp_path / "d.xml", [page_xml(1, "a", "x")])
    size = dump.stat().st_size
    with pytest.raises(DumpDamagedError, match=f"want {size + 5} bytes"):
        read_all([ByteRange(str(dump), 0, size + 5, "xml")])


BOMB = '<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><mediawiki>&b;</mediawiki>'


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (BOMB, "a DTD"),
        ("<html><page/></html>", "its root is <html>"),
        ("<mediawiki>" + "<a>" * 1000, "nested deeper"),
    ],
)
def test_refuses_what_is_no_dump_and_says_so(tmp_path, xml, message):
    dump = tmp_path / "d.xml"
    dump.write_text(xml, encoding="utf-8")
    with pytest.raises(InputError, match=message) as raised:
        read_all(plan_ranges(str(dump), None, 1))
    assert not isinstance(raised.value, DumpDamagedError)


def test_refuses_a_page_that_no_memory_should_hold(tmp_path):
    dump = tmp_path / "d.xml.bz2"
    packer = bz2.BZ2Compressor()
    with dump.open("wb") as file:  # 130 MB of spaces, packed into some hundred bytes
        file.write(packer.compress(b"<mediawiki><page><title>a</title><revision><text>"))
        for _ in range(130):
            file.write(packer.compress(b" " * 1_000_000))
        file.write(packer.flush())
    with pytest.raises(InputError, match="'a' is longer than"):
        read_all(plan_ranges(str(dump), None, 1))


def test_a_missing_dump_names_the_key_to_set(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.xml.*parse_wikipedia\.dump"):
        plan_ranges(str(tmp_path / "nothing.xml"), None, 1)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip"])
def test_a_file_that_is_no_dump_is_refused(tmp_path, content):
    (tmp_path / "d.xml").write_bytes(content)
    with pytest.raises(InputError, match="no MediaWiki dump"):
        plan_ranges(str(tmp_path / "d.xml"), None, 1)


def test_refuses_a_folder_without_parts_and_fewer_tasks_than_one(tmp_path):
    with pytest.raises(InputError, match="no dump part"):
        plan_ranges(str(tmp_path), None, 1)
    with pytest.raises(InputError, match="tasks is 0"):
        plan_ranges(str(tmp_path), None, 0)


@pytest.mark.parametrize("line", ["offset:1:a\n", "500:1:a\n20:2:b\n"])
def test_a_broken_index_names_its_line(tmp_path, line):
    dump = write_multistream(tmp_path / "d.xml.bz2", numbered([[("a", "x")]] * 9))
    (tmp_path / "i.txt").write_text("10:1:a\n" + line, encoding="utf-8")
    with pytest.raises(InputError, match=r"i\.txt"):
        plan_ranges(str(dump), str(tmp_path / "i.txt"), 99)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("tasks", [1, 3, 7])
def test_reads_the_real_multistream_dump_in_any_number_of_tasks(devise_data, tasks):
    dump = devise_data / "wiki" / "enwiki-text-multistream.xml.bz2"
    ranges = plan_ranges(str(dump), None, tasks)
    assert len(ranges) == tasks
    ids = [page.page_id for part in ranges for page in read_pages(part)]
    assert len(ids) == len(set(ids)) == 12_980


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "pages", "articles", "redirects"),
    [
        ("enwiki-shortened", 206, 205, 100),
        ("enwiki-minidump", 27, None, 2),
        ("enwiki-10k", 196, None, 97),
        ("ltgwiki-pages-articles", 2004, 1050, 195),
    ],
)
def test_counts_the_pages_of_real_dumps(devise_data, name, pages, articles, redirects):
    dump = devise_data / "wiki" / f"{name}.xml.bz2"
    read = read_all(plan_ranges(str(dump), None, 3))
    assert len(read) == pages
    assert articles is None or sum(page.namespace == 0 for page in read) == articles
    assert sum(page.redirect is not None for page in read) == redirects


@pytest.mark.data
@pytest.mark.parametrize(("wiki", "pages"), [("el", 933), ("uk", 532), ("ja", 238)])
def test_gives_the_whole_pages_of_real_dumps_that_are_cut_off(devise_data, wiki, pages):
    dump = devise_data / "wiki" / f"{wiki}wiki-truncated.xml.bz2"
    read, error = read_until_damage(plan_ranges(str(dump), None, 3)[0])
    assert len(read) == pages
    assert error is not None
    assert error.last_title == read[-1].title
    assert "ends inside the page" in str(error)
