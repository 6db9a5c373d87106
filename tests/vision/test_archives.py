import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.vision import archives
from devise_lib.vision.archives import ArchiveError, File, TarRange, plan_ranges, read_range

contents = st.binary(max_size=1500)
names = st.sampled_from(["a.png", "b/c.png", "./b/c.png", "b/" + "long" * 60 + ".png", "ü.png"])


def make_tar(files, fmt=tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=fmt) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_600_000_000
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def read_all(data: bytes, range_bytes: int) -> list[File]:
    parts = plan_ranges(io.BytesIO(data), range_bytes)
    return [f for part in parts for f in read_range(io.BytesIO(data[part.start :]), part)]


@given(
    st.lists(st.tuples(names, contents), max_size=8),
    st.integers(1, 6_000),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_every_file_is_read_once_however_the_tar_is_cut(files, range_bytes, fmt):
    found = read_all(make_tar(files, fmt), range_bytes)
    last = {name.removeprefix("./"): content for name, content in files}  # as tar extracts them
    assert {file.name: file.content for file in found} == last
    assert len(found) == len(last)
    assert {file.modified_s for file in found} <= {1_600_000_000.0}


@given(st.lists(st.tuples(st.uuids().map(str), contents), max_size=8), st.integers(1, 6_000))
def test_ranges_follow_one_another_and_are_no_longer_than_they_must(files, range_bytes):
    data = make_tar(files)
    parts = plan_ranges(io.BytesIO(data), range_bytes)
    assert [part.stop for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert sum(part.stop - part.start for part in parts) == sum(
        512 + (len(content) + 511) // 512 * 512 for _, content in files
    )
    for part in parts:
        fits = part.stop - part.start <= range_bytes
        assert fits or len(list(read_range(io.BytesIO(data[part.start :]), part))) == 1


def test_a_range_reads_nothing_of_the_next_one():
    data = make_tar([("a", b"x" * 700), ("b", b"y"), ("c", b"z")])
    first, second, third = plan_ranges(io.BytesIO(data), 1)
    assert [f.name for f in read_range(io.BytesIO(data[first.start :]), first)] == ["a"]
    assert [f.name for f in read_range(io.BytesIO(data[second.start : second.stop]), second)] == [
        "b"
    ]
    assert third.stop == 512 * 7


def test_tars_in_a_tar_are_opened_one_level_deep():
    inner = make_tar([("x.png", b"x"), ("./y.png", b"yy"), ("deep.tar", make_tar([("z", b"z")]))])
    data = make_tar([("n01.tar", inner), ("top.png", b"t"), ("sub/n02.tar", inner)])
    want = ["n01.tar!x.png", "n01.tar!y.png", "top.png", "sub/n02.tar!x.png", "sub/n02.tar!y.png"]
    for range_bytes in (1, 10**6):
        assert [file.name for file in read_all(data, range_bytes)] == want


def test_links_and_sparse_members_are_passed_over():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"x{kind!r}")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    assert read_all(buffer.getvalue(), 10**6) == []


def test_hidden_files_are_passed_over_and_no_hidden_tar_is_opened():
    files = [("._n01.tar", b"Mac"), (".git/a.png", b""), ("./b.png", b"b"), ("c/.d.png", b"")]
    assert [file.name for file in read_all(make_tar(files), 10**6)] == ["b.png"]


def test_an_empty_tar_has_no_range():
    assert plan_ranges(io.BytesIO(make_tar([])), 100) == []


WHOLE = make_tar([("a.png", b"a" * 3000), ("b.png", b"b" * 3000)])
INNER = make_tar([("n.tar", WHOLE)])


def broken_at(data: bytes, at: int) -> bytes:
    return data[:at] + b"\xff" * 512 + data[at + 512 :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no tar at all" * 100, "header"),
        (b"", "empty file"),
        (WHOLE[:5000], "unexpected end of data"),
        (WHOLE[: 3584 + 100], "no header of a member at byte 3584"),
        (WHOLE[:3584], "cut off at byte 3584, where its end is not marked"),
        (make_tar([("n.tar", WHOLE[:3584])]), r"cut off at byte 3584 of n\.tar"),
        (broken_at(WHOLE, 3584), "no header of a member at byte 3584"),
        (broken_at(INNER, 512 + 3584), r"no header of a member at byte 3584 of n\.tar"),
    ],
    ids=[
        "no tar",
        "empty",
        "cut",
        "cut in a header",
        "cut behind a member",
        "so within",
        "broken header",
        "broken header within",
    ],
)
def test_a_damaged_tar_is_told_and_never_taken_for_a_shorter_one(data, message):
    with pytest.raises(ArchiveError, match=message):
        read_all(data, 10**6)


def test_a_file_that_is_too_large_for_memory_is_told(monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 2999)
    with pytest.raises(ArchiveError, match=r"a\.png has 3,000 bytes, and files of at most 2,999"):
        list(read_range(io.BytesIO(WHOLE), TarRange(0, len(WHOLE))))
