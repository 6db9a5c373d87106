import bz2
import random
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.storage.files import LocalFiles
from devise_lib.text.wikipedia.dump import ByteRange, Page, plan_ranges, read_pages
from devise_lib.text.wikipedia.dump_plan import RANGE_BYTES
from tests.text.wikipedia.dumps import (
    HEAD,
    TAIL,
    Draft,
    numbered,
    page_groups,
    page_xml,
    write_multistream,
    write_plain,
)

in_one_folder = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class CountingFiles(LocalFiles):
    """The local files, counting what is read of them."""

    def __init__(self):
        self.read = 0

    def open_range(self, path, start, stop):
        file = super().open_range(path, start, stop)
        plain_read = file.read

        def read(size=-1):
            data = plain_read(size)
            self.read += len(data)
            return data

        class Counted:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

        counted = Counted()
        counted.read = read
        return counted


def read_all(ranges: list[ByteRange]) -> list[Page]:
    return [page for byte_range in ranges for page in read_pages(byte_range)]


@in_one_folder
@given(page_groups(), st.integers(0, 12), st.booleans())
def test_any_number_of_tasks_reads_each_page_once(tmp_path, groups, tasks, indexed):
    index = tmp_path / "streams.txt"
    dump = write_multistream(tmp_path / "a.xml.bz2", groups, index)

    ranges = plan_ranges(str(dump), str(index) if indexed else None, tasks, parallelism=3)

    flat = [page for group in groups for page in group]
    read = [Draft(int(p.page_id), p.title, p.text, p.namespace) for p in read_all(ranges)]
    assert read == flat
    assert len(ranges) <= (tasks or 6)
    assert len(ranges) <= sum(bool(group) for group in groups) + 1  # the head is apart
    assert ranges[0].start == 0
    assert [part.stop for part in ranges[:-1]] == [part.start for part in ranges[1:]]
    assert [part.is_last for part in ranges] == [False] * (len(ranges) - 1) + [True]
    if indexed:
        assert [part.pages for part in ranges] == [len(read_all([part])) for part in ranges]
    else:
        assert {part.pages for part in ranges} == {None}


def test_cuts_a_multistream_dump_into_as_many_ranges_as_tasks(tmp_path):
    groups = numbered(*([(f"page {n}", "text " * 50)] for n in range(40)))
    dump = write_multistream(tmp_path / "d.xml.bz2", groups)
    ranges = plan_ranges(str(dump), None, 4)
    assert len(ranges) == 4
    assert all(8 <= len(read_all([part])) <= 12 for part in ranges)


def test_by_default_there_is_a_range_for_32_mb_and_two_for_each_that_can_be_read_at_once(tmp_path):
    groups = numbered(*([(f"page {n}", "text " * 50)] for n in range(40)))
    dump = write_multistream(tmp_path / "d.xml.bz2", groups)
    assert len(plan_ranges(str(dump), None, 0, parallelism=3)) == 6
    with dump.open("r+b") as file:  # a hole: takes no room on the disk
        file.truncate(10 * RANGE_BYTES)
    assert len(plan_ranges(str(dump), None, 0, _NoStreamBehind(1_000_000))) == 1
    streams = plan_ranges(str(dump), None, 5_000_000, _NoStreamBehind(1_000_000))
    assert len(streams) == 41  # however many tasks are wanted


class _NoStreamBehind(LocalFiles):
    """Files that are empty from an offset on, so that no hole is read."""

    def __init__(self, stop):
        self.stop = stop

    def open_range(self, path, start, stop):
        file = super().open_range(path, start, stop)
        if start >= self.stop:
            file.seek(0, 2)
        return file


def test_without_an_index_reads_two_megabytes_a_cut_and_not_the_dump(tmp_path):
    rng = random.Random(0)
    letters = string.ascii_letters + string.digits + " "  # drawn at random: hard to pack
    texts = ["".join(rng.choices(letters, k=400_000)) for _ in range(3)]
    groups = numbered(*([(f"page {n}", texts[n % 3])] for n in range(60)))
    dump = write_multistream(tmp_path / "d.xml.bz2", groups)
    size = dump.stat().st_size
    assert size > 16_000_000
    files = CountingFiles()
    ranges = plan_ranges(str(dump), None, 3, files)
    assert len(ranges) == 3
    assert all(abs(part.stop - part.start - size / 3) < 1_000_000 for part in ranges)
    assert files.read < 2 * 2_200_000


@pytest.mark.parametrize(
    ("dump_name", "index_name"),
    [
        ("w-multistream.xml.bz2", "w-multistream-index.txt.bz2"),
        ("w-multistream1.xml-p1p9.bz2", "w-multistream-index1.txt-p1p9.bz2"),
        ("w.xml.bz2", "w-index.txt"),
    ],
)
def test_finds_the_index_beside_the_dump(tmp_path, dump_name, index_name):
    groups = numbered(*[[("a", "b")]] * 4)
    dump = write_multistream(tmp_path / dump_name, groups, tmp_path / index_name)
    assert sum(part.pages for part in plan_ranges(str(dump), None, 2)) == 4
    (tmp_path / index_name).write_text("999999:1:a\n", encoding="utf-8")  # only seen when read
    with pytest.raises(InputError, match="is not the index of"):
        plan_ranges(str(dump), None, 99)


def test_an_index_of_another_dump_is_refused_before_anything_is_read(tmp_path):
    groups = numbered(*([(f"page {n}", "text " * n)] for n in range(99)))
    dump = write_multistream(tmp_path / "d.xml.bz2", groups)
    other = [[Draft(p.page_id, p.title, p.text + "!" * 99) for p in g] for g in groups]
    write_multistream(tmp_path / "other.xml.bz2", other, tmp_path / "i.txt")
    for tasks in (1, 2, 50):
        with pytest.raises(InputError, match=r"i\.txt is not the index of .*d\.xml\.bz2"):
            plan_ranges(str(dump), str(tmp_path / "i.txt"), tasks)


def test_an_index_still_cuts_a_dump_of_which_one_stream_has_no_head(tmp_path):
    groups = numbered(*([(f"page {n}", "text")] for n in range(20)))
    dump = write_multistream(tmp_path / "d.xml.bz2", groups, tmp_path / "i.txt")
    cut = plan_ranges(str(dump), str(tmp_path / "i.txt"), 2)[1].start
    data = bytearray(dump.read_bytes())
    data[cut : cut + 4] = bytes(4)
    dump.write_bytes(data)
    ranges = plan_ranges(str(dump), str(tmp_path / "i.txt"), 2)
    assert len(ranges) == 2
    assert ranges[1].start > cut
    assert sum(part.pages for part in ranges) == 20


def test_pages_that_the_index_places_behind_the_end_are_missed_in_the_last_range(tmp_path):
    groups = numbered(*([(f"page {n}", "text")] for n in range(20)))
    dump = write_multistream(tmp_path / "d.xml.bz2", groups, tmp_path / "i.txt")
    data = dump.read_bytes()
    dump.write_bytes(data[: len(data) * 2 // 3])
    ranges = plan_ranges(str(dump), str(tmp_path / "i.txt"), 4)
    assert sum(part.pages for part in ranges) == 20


def test_does_not_cut_where_a_parallel_compressor_cut_inside_a_page(tmp_path):
    xml = (HEAD + page_xml(1, "a", "long text " * 100) + TAIL).encode()
    dump = tmp_path / "d.xml.bz2"
    dump.write_bytes(bz2.compress(xml[:700]) + bz2.compress(xml[700:]))
    ranges = plan_ranges(str(dump), None, 10)
    assert len(ranges) == 1
    assert [page.title for page in read_all(ranges)] == ["a"]
    index = tmp_path / "i.txt"
    index.write_text(f"{len(bz2.compress(xml[:700]))}:1:a\n", encoding="utf-8")
    with pytest.raises(InputError, match="is not the index"):
        plan_ranges(str(dump), str(index), 10)


def test_reads_a_folder_of_parts_in_the_order_of_their_names(tmp_path):
    write_plain(tmp_path / "w2.xml", [page_xml(3, "c", "")])
    index = tmp_path / "w-multistream-index1.txt-p1p2.bz2"
    parts = numbered([("a", "")], [("b", "")])
    write_multistream(tmp_path / "w-multistream1.xml-p1p2.bz2", parts, index)
    (tmp_path / "README").write_text("no part", encoding="utf-8")
    (tmp_path / "folder.xml").mkdir()
    ranges = plan_ranges(str(tmp_path), None, 6)
    assert [page.title for page in read_all(ranges)] == ["a", "b", "c"]
    assert [part.pages is None for part in ranges][-1]
    with pytest.raises(InputError, match="is a folder of dump parts"):
        plan_ranges(str(tmp_path), str(index), 6)


def test_a_missing_dump_or_index_names_the_key_to_set(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.xml.*parse_wikipedia\.dump"):
        plan_ranges(str(tmp_path / "nothing.xml"), None, 1)
    dump = write_multistream(tmp_path / "d.xml.bz2", [])
    with pytest.raises(InputError, match=r"no index at .*set parse_wikipedia\.index"):
        plan_ranges(str(dump), str(tmp_path / "no.txt"), 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no MediaWiki dump"),
        (b"PK\x03\x04 a zip", "is a zip archive; unpack it"),
        (b"\x1f\x8b a gzip", "is packed with gzip; unpack it, or pack what is in it with bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it"),
        (b"\x28\xb5\x2f\xfd", "is packed with zstd; unpack it"),
        (b"<!DOCTYPE html><html>", "is a page of HTML, not the file"),
        (b"id,title", "is no MediaWiki dump: want bz2 or XML, it starts with b'id,title'"),
    ],
)
def test_a_file_that_is_no_dump_is_named_and_refused(tmp_path, content, message):
    """Kind of fault: a message that does not say what the file is or what to do."""
    (tmp_path / "d.xml").write_bytes(content)
    with pytest.raises(InputError, match=message):
        plan_ranges(str(tmp_path / "d.xml"), None, 1)


def test_refuses_a_folder_without_parts_and_fewer_tasks_than_none(tmp_path):
    with pytest.raises(InputError, match="no dump part"):
        plan_ranges(str(tmp_path), None, 1)
    with pytest.raises(InputError, match="tasks is -1"):
        plan_ranges(str(tmp_path), None, -1)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "indexed"),
    [
        pytest.param(1, False, marks=pytest.mark.soak),
        (3, True),
        pytest.param(7, False, marks=pytest.mark.soak),
        pytest.param(16, True, marks=pytest.mark.soak),
    ],
)
def test_reads_the_real_multistream_dump_in_any_number_of_tasks(
    devise_data, tmp_path, tasks, indexed
):
    dump = devise_data / "wiki" / "enwiki-text-multistream.xml.bz2"
    if not indexed:  # a name that no index stands beside
        (tmp_path / "dump.xml.bz2").symlink_to(dump)
        dump = tmp_path / "dump.xml.bz2"
    ranges = plan_ranges(str(dump), None, tasks)
    assert len(ranges) == tasks
    assert all((part.pages is not None) == indexed for part in ranges)
    ids = [page.page_id for part in ranges for page in read_pages(part)]
    assert len(ids) == len(set(ids)) == 12_980


@pytest.mark.data
@pytest.mark.parametrize("tasks", [1, 3, 7, 16])
@pytest.mark.parametrize(
    ("name", "pages", "articles", "redirects"),
    [
        ("enwiki-shortened", 206, 205, 100),
        ("enwiki-minidump", 27, 26, 2),
        ("enwiki-10k", 196, 153, 97),
        ("ltgwiki-pages-articles", 2004, 1050, 195),
    ],
)
def test_counts_the_pages_of_real_dumps(devise_data, name, pages, articles, redirects, tasks):
    dump = devise_data / "wiki" / f"{name}.xml.bz2"
    read = read_all(plan_ranges(str(dump), None, tasks))
    assert len(read) == pages
    assert sum(page.namespace == 0 for page in read) == articles
    assert sum(page.redirect is not None for page in read) == redirects
    text = bz2.decompress(dump.read_bytes()).decode()
    assert pages == text.count("<page>") == text.count("</page>")
    assert articles == text.count("<ns>0</ns>")
    assert redirects == text.count("<redirect ")
