import io
import shutil
import subprocess
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.reasons import Reason
from devise_lib.vision.archives import tar_photos
from devise_lib.vision.archives.tar_members import ArchiveError
from devise_lib.vision.archives.tar_photos import File, read_range
from devise_lib.vision.archives.tar_ranges import TarRange, plan_ranges
from devise_lib.vision.images.decode import Refusal
from tests.fuzz.conftest import limits
from tests.vision.archives.tars import (
    END,
    TIME,
    Piece,
    contents,
    files_of,
    member,
    refusals,
    tar_of,
)

bodies = st.binary(max_size=1500)
names = st.sampled_from(["a.png", "b/c.png", "./b/c.png", "b/" + "long" * 60 + ".png", "ü.png"])


def make_tar(files, fmt=tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=fmt) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_600_000_000
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@given(
    st.lists(st.tuples(names, bodies), max_size=8),
    st.integers(1, 6_000),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_every_file_is_read_once_however_the_tar_is_cut(files, range_bytes, fmt):
    found = files_of(make_tar(files, fmt), range_bytes)
    last = {name.removeprefix("./"): content for name, content in files}  # as tar extracts them
    assert {file.name: file.content for file in found} == last
    assert len(found) == len(last)
    assert {file.modified_s for file in found} <= {1_600_000_000.0}


@given(st.lists(st.tuples(st.uuids().map(str), bodies), max_size=8), st.integers(1, 6_000))
def test_ranges_follow_one_another_and_are_no_longer_than_they_must(files, range_bytes):
    data = make_tar(files)
    parts = plan_ranges(io.BytesIO(data), range_bytes)
    assert [part.stop for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert sum(part.stop - part.start for part in parts) == sum(
        512 + (len(content) + 511) // 512 * 512 for _, content in files
    )
    for part in parts:
        fits = part.stop - part.start <= range_bytes
        assert fits or len(read_part(data, part)) == 1


def read_part(data: bytes, part: TarRange, behind: bytes = b"") -> list[File]:
    """The files of a range, of which only its own bytes are there, and some others behind."""
    opened = io.BytesIO(data[part.start : part.stop] + behind)
    return list(read_range(opened, part, lambda start, stop: io.BytesIO(data[start:stop])))


def test_a_range_reads_nothing_of_the_next_one():
    data = make_tar([("a", b"x" * 700), ("b", b"y"), ("c", b"z")])
    first, second, third = plan_ranges(io.BytesIO(data), 1)
    assert [f.name for f in read_part(data, first, behind=b"rubbish")] == ["a"]
    assert [f.name for f in read_part(data, second)] == ["b"]
    assert third.stop == 512 * 7


def test_tars_in_a_tar_are_opened_one_level_deep():
    inner = make_tar([("x.png", b"x"), ("./y.png", b"yy"), ("deep.tar", make_tar([("z", b"z")]))])
    data = make_tar([("n01.tar", inner), ("top.png", b"t"), ("sub/n02.tar", inner)])
    want = {"n01.tar!x.png": b"x", "n01.tar!y.png": b"yy", "top.png": b"t"}
    want |= {"sub/n02.tar!x.png": b"x", "sub/n02.tar!y.png": b"yy"}
    for range_bytes in (1, 10**6):
        files = files_of(data, range_bytes)
        assert contents(files) == want
        assert refusals(files) == {
            "n01.tar!deep.tar": "unsupported_format",
            "sub/n02.tar!deep.tar": "unsupported_format",
        }


def at_any_cut(*pieces: Piece, fmt: int = tarfile.GNU_FORMAT) -> list[File]:
    """The files of a tar, which are the same however it is cut."""
    data = tar_of(*pieces, fmt=fmt)
    files = files_of(data)
    assert files_of(data, 1) == files_of(data, 1024) == files
    return files


def test_tars_one_behind_the_other_give_the_photos_of_all():
    """Of the kind: bytes behind the first end mark are lost without a word."""
    first = tar_of(Piece("z/0.jpg", b"a" * 700), Piece("z/1.jpg", b"b"))
    second = tar_of(Piece("z/2.jpg", b"c"), Piece("z/0.jpg", b"later"))
    want = {"z/0.jpg": b"later", "z/1.jpg": b"b", "z/2.jpg": b"c"}
    blockings = (b"", bytes(512), bytes(10240 - 512), bytes(3 << 20))
    for between in blockings:  # tars are filled up to whole records of any size
        for data in (first + between + second, between + first + second + between):
            for range_bytes in (1, 2048, 10**9):
                assert contents(files_of(data, range_bytes)) == want
    assert contents(files_of(tar_of() + first)) == {"z/0.jpg": b"a" * 700, "z/1.jpg": b"b"}
    single = tar_of(Piece("x", b"1"), end=bytes(512))  # an end mark of one block alone
    assert set(contents(files_of(single + second))) == {"x", "z/2.jpg", "z/0.jpg"}


def test_a_hard_link_is_the_file_that_it_leads_to():
    """Of the kind: what a tar has and the reader does not take is not told.

    The target of a link may lie in another range than the link, and be replaced later.
    """
    files = at_any_cut(
        Piece("z/0.jpg", b"photo" * 300),
        Piece("z/1.jpg", type=tarfile.LNKTYPE, link="z/0.jpg"),
        Piece("z/2.jpg", type=tarfile.LNKTYPE, link="./z/1.jpg"),  # to a link
        Piece("z/0.jpg", b"another"),
        Piece("z/3.jpg", type=tarfile.LNKTYPE, link="z/0.jpg"),
        Piece("z/.hidden", type=tarfile.LNKTYPE, link="z/0.jpg"),
    )
    first, second = b"photo" * 300, b"another"
    want = {"z/0.jpg": second, "z/1.jpg": first, "z/2.jpg": first, "z/3.jpg": second}
    assert contents(files) == want
    assert refusals(files) == {}
    assert {file.modified_s for file in files} == {TIME}


def test_links_that_lead_out_of_the_tar_are_refused_each():
    files = at_any_cut(
        Piece("early.jpg", type=tarfile.LNKTYPE, link="late.jpg"),  # as tar sees it, not there
        Piece("late.jpg", b"x"),
        Piece("gone.jpg", type=tarfile.LNKTYPE, link="nothing.jpg"),
        Piece("of gone.jpg", type=tarfile.LNKTYPE, link="gone.jpg"),
        Piece("self.jpg", type=tarfile.LNKTYPE, link="self.jpg"),
        Piece("passwd", type=tarfile.SYMTYPE, link="/etc/passwd"),
        Piece("late", type=tarfile.SYMTYPE, link="/late.jpg"),
        Piece("up", type=tarfile.SYMTYPE, link="../late.jpg"),
        Piece("a", type=tarfile.SYMTYPE, link="b"),
        Piece("b", type=tarfile.SYMTYPE, link="a"),
        Piece("sub", type=tarfile.DIRTYPE),
        Piece("folder", type=tarfile.SYMTYPE, link="sub"),
    )
    names = {"early.jpg", "gone.jpg", "of gone.jpg", "self.jpg", "passwd", "late", "up", "a", "b"}
    assert contents(files) == {"late.jpg": b"x"}
    assert refusals(files) == dict.fromkeys(names, "missing_file") | {
        "folder": "unsupported_format"
    }
    told = {file.name: file.refusal.message for file in files if file.refusal}
    assert told["gone.jpg"] == "a hard link to 'nothing.jpg', which is no file of the tar before it"
    assert told["passwd"] == "a symbolic link to '/etc/passwd', which is no file of the tar"
    assert told["folder"].startswith("a symbolic link to 'sub', a folder of the tar; the files of ")


def test_a_link_through_a_link_to_a_folder_is_the_file_that_it_leads_to():
    """The kind of fault: a message says that a member is not there, which is."""
    files = at_any_cut(
        Piece("latest", type=tarfile.SYMTYPE, link="years/new"),
        Piece("cover.jpg", type=tarfile.SYMTYPE, link="latest/0.jpg"),
        Piece("up.jpg", type=tarfile.SYMTYPE, link="latest/../1.jpg"),
        Piece("lost.jpg", type=tarfile.SYMTYPE, link="latest/9.jpg"),
        Piece("round", type=tarfile.SYMTYPE, link="round/round"),
        Piece("all", type=tarfile.SYMTYPE, link="."),
        Piece("years/new", type=tarfile.SYMTYPE, link="2024"),
        Piece("years/2024/0.jpg", b"photo"),
    )
    want = dict.fromkeys(["cover.jpg", "years/2024/0.jpg"], b"photo")
    assert contents(files) == want
    folders = dict.fromkeys(["latest", "all", "years/new"], "unsupported_format")
    missing = dict.fromkeys(["up.jpg", "lost.jpg", "round"], "missing_file")
    assert refusals(files) == folders | missing


def test_a_step_up_behind_a_link_is_up_from_where_the_link_leads_to():
    """The kind of fault: a path made shorter as text, which gave another photo without a word.

    A hard link to a symbolic link is one more of that, and leads on from its own place.
    """
    files = at_any_cut(
        Piece("real/place", type=tarfile.DIRTYPE),
        Piece("d", type=tarfile.SYMTYPE, link="real/place"),
        Piece("real/x.jpg", b"right"),
        Piece("x.jpg", b"wrong"),
        Piece("l.jpg", type=tarfile.SYMTYPE, link="d/../x.jpg"),
        Piece("s.jpg", type=tarfile.SYMTYPE, link="x.jpg"),
        Piece("real/s.jpg", type=tarfile.LNKTYPE, link="s.jpg"),
    )
    want = {"real/x.jpg": b"right", "x.jpg": b"wrong", "l.jpg": b"right"}
    assert contents(files) == want | {"s.jpg": b"wrong", "real/s.jpg": b"right"}


def test_names_that_no_file_can_have_are_refused_each_and_cost_little():
    """The kind of fault: work and memory that grow with the square of what a file may hold."""
    long = "a/" * 10_000 + "x.jpg"
    pieces = [
        Piece(long, b"photo"),
        Piece("near.jpg", b"photo"),
        Piece("l.jpg", type=tarfile.SYMTYPE, link=long),
        Piece("m.jpg", type=tarfile.SYMTYPE, link="near.jpg"),
    ]
    content = tar_of(*pieces)
    with limits(cpu_seconds=0.5, mebibytes=10):
        files = files_of(content)
    assert contents(files) == {"near.jpg": b"photo", "m.jpg": b"photo"}
    assert refusals(files) == {long[:4095]: "unsupported_format", "l.jpg": "missing_file"}


@pytest.mark.parametrize(("links", "reads"), [(40, True), (41, False)])
def test_a_chain_of_links_is_followed_as_far_as_by_linux(links, reads):
    chain = [Piece(f"{n}.jpg", type=tarfile.SYMTYPE, link=f"{n + 1}.jpg") for n in range(links)]
    files = files_of(tar_of(*chain, Piece(f"{links}.jpg", b"photo")))
    assert ("0.jpg" in contents(files)) == reads
    assert "1.jpg" in contents(files)


def test_a_symbolic_link_within_a_tar_is_the_file_that_it_leads_to():
    """As in a folder, where links are followed; its target may come later."""
    files = at_any_cut(
        Piece("c/of link.jpg", type=tarfile.SYMTYPE, link="../l.jpg"),
        Piece("l.jpg", type=tarfile.SYMTYPE, link="z/0.jpg"),
        Piece("z/0.jpg", b"photo"),
        Piece("hard.jpg", type=tarfile.LNKTYPE, link="l.jpg"),
        Piece("z/1.jpg", type=tarfile.LNKTYPE, link="z/0.jpg"),
        Piece("of hard.jpg", type=tarfile.SYMTYPE, link="z/1.jpg"),
    )
    names = ("c/of link.jpg", "l.jpg", "z/0.jpg", "hard.jpg", "z/1.jpg", "of hard.jpg")
    assert contents(files) == dict.fromkeys(names, b"photo")


def test_links_within_an_inner_tar_and_to_one():
    inner = tar_of(
        Piece("s.jpg", type=tarfile.SYMTYPE, link="0.jpg"),
        Piece("0.jpg", b"photo"),
        Piece("1.jpg", type=tarfile.LNKTYPE, link="0.jpg"),
        Piece("gone.jpg", type=tarfile.LNKTYPE, link="2.jpg"),
    )
    files = at_any_cut(
        Piece("before.jpg", b"b" * 1000),
        Piece("n1.tar", inner),
        Piece("n2.tar", type=tarfile.LNKTYPE, link="n1.tar"),
    )
    want = {f"{n}.tar!{name}.jpg": b"photo" for n in ("n1", "n2") for name in "s01"}
    assert contents(files) == {"before.jpg": b"b" * 1000} | want
    assert refusals(files) == dict.fromkeys(["n1.tar!gone.jpg", "n2.tar!gone.jpg"], "missing_file")


def test_a_folder_beside_a_tar_of_its_name_is_known():
    """A file of the one may have the path of a file of the other."""
    tar = Piece("b/n.tar", tar_of(Piece("x", b"1")))
    for names, mixed in ((["b/n/y"], True), (["b/n/c/y"], True), (["b/n", "n/y", "b/nn/y"], False)):
        data = tar_of(tar, *(Piece(name, b"2") for name in names))
        assert {part.is_mixed for part in plan_ranges(io.BytesIO(data), 1)} == {mixed}


def test_every_other_kind_of_member_is_read_or_refused():
    files = at_any_cut(
        Piece("contiguous.jpg", b"c", tarfile.CONTTYPE),
        Piece("old.jpg", b"o", tarfile.AREGTYPE),
        Piece("unknown.jpg", b"u", b"Z"),  # to be taken for a file, by POSIX
        Piece("pipe", type=tarfile.FIFOTYPE),
        Piece("disk", type=tarfile.BLKTYPE),
        Piece("terminal", type=tarfile.CHRTYPE),
        Piece("rest.jpg", b"r", b"M"),
        Piece("label", type=b"V"),
        Piece("dump/", b"Yx.jpg\0\0", b"D"),
        Piece("folder", type=tarfile.DIRTYPE),
        Piece("/absolute/" + "long" * 90 + ".jpg", b"l"),
    )
    long = "absolute/" + "long" * 90 + ".jpg"
    want = {"contiguous.jpg": b"c", "old.jpg": b"o", "unknown.jpg": b"u", long: b"l"}
    assert contents(files) == want
    no_image = dict.fromkeys(["pipe", "disk", "terminal"], "not_an_image")
    assert refusals(files) == no_image | {"rest.jpg": "truncated"}


def with_field(header: bytes, at: int, value: bytes) -> bytes:
    """A header with other bytes from a place on, and the checksum of these."""
    block = bytearray(header[:at] + value + header[at + len(value) :])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


TIMES = b"15303132056\x0015303132055\0"  # of access and change, as GNU tar writes them


@pytest.mark.parametrize(
    ("magic", "field", "name"),
    [
        (b"ustar  \0", TIMES, "z/0.jpg"),
        (b"ustar  \0", b"/", "z/0.jpg"),
        (bytes(8), TIMES, "z/0.jpg"),
        (b"ustar\x0000", b"long/way", "long/way/z/0.jpg"),
    ],
    ids=["GNU", "GNU, a slash", "before POSIX", "POSIX"],
)
def test_the_first_part_of_a_path_is_in_headers_of_posix_alone(magic, field, name):
    """The kind of fault: what another format keeps at a place is read as a part of the path."""
    header = member(Piece("z/0.jpg", b"photo"))
    head = with_field(with_field(header[:512], 257, magic), 345, field)
    assert contents(files_of(head + header[512:] + END)) == {name: b"photo"}


def test_an_incremental_tar_has_the_paths_that_tar_lists(tmp_path):
    """GNU tar keeps the times of access and change in such a tar, and the lists of folders."""
    tar = shutil.which("tar")
    if (
        not tar
        or "GNU" not in subprocess.run([tar, "--version"], capture_output=True).stdout.decode()
    ):
        pytest.skip("there is no GNU tar")
    folder = tmp_path / "in" / "zebra"
    folder.mkdir(parents=True)
    photos = {f"zebra/{'long' * n}.jpg": bytes((n,)) * 700 for n in (1, 10, 40)}
    for name, content in photos.items():
        (tmp_path / "in" / name).write_bytes(content)
    where = ["-C", str(folder.parent), "-g", str(tmp_path / "snapshot")]
    subprocess.run([tar, *where, "-cf", str(tmp_path / "x.tar"), "zebra"], check=True)
    files = files_of((tmp_path / "x.tar").read_bytes(), 1)
    assert contents(files) == photos
    assert not refusals(files)


def sparse_header(*pieces: tuple[int, int], size: int, stored: int) -> bytes:
    """A header of GNU tar's old format for files with holes, and where their pieces are."""
    header = tarfile.TarInfo("holes.bmp")
    header.type, header.size, header.mtime = tarfile.GNUTYPE_SPARSE, stored, TIME
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    for number, piece in enumerate(pieces):
        block[386 + 24 * number : 410 + 24 * number] = b"%011o\0%011o\0" % piece
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_a_file_with_holes_is_read_where_it_claims_no_more_than_fits():
    stored = b"ab" * 256 + b"c" * 100 + bytes(412)
    holes = sparse_header((512, 512), (2048, 100), size=3000, stored=1024)
    whole = bytes(512) + b"ab" * 256 + bytes(1024) + b"c" * 100 + bytes(852)
    behind = member(Piece("next.jpg", b"n"))
    files = files_of(holes + stored + behind + END, 1)
    assert contents(files) == {"holes.bmp": whole, "next.jpg": b"n"}
    records = {"GNU.sparse.size": "3000", "GNU.sparse.map": "512,512,2048,100"}
    records |= {"GNU.sparse.numblocks": "2", "GNU.sparse.name": "holes.bmp"}
    modern = member(Piece("x", stored), tarfile.PAX_FORMAT, **records)
    assert contents(files_of(modern + behind + END)) == contents(files)
    bomb = sparse_header((0, 512), size=1 << 32, stored=512) + stored[:512]
    overlap = sparse_header((512, 512), (512, 512), size=3000, stored=1024) + stored
    assert refusals(files_of(bomb + behind + END)) == {"holes.bmp": "too_large"}
    assert refusals(files_of(overlap + behind + END)) == {"holes.bmp": "decode_error"}


def test_records_for_all_members_hold_in_every_range():
    """PAX has headers that go for all members behind them, which another range may have."""
    header = tarfile.TarInfo.create_pax_global_header({"mtime": "77.0", "comment": "\udce9"})
    pieces = [member(Piece(f"{i}.jpg", bytes(700)), tarfile.USTAR_FORMAT) for i in range(5)]
    data = b"".join([*pieces[:2], header, *pieces[2:], END])
    times = [TIME, TIME, 77.0, 77.0, 77.0]
    for range_bytes in (1, 2500, 10**6):
        assert [file.modified_s for file in files_of(data, range_bytes)] == times


def test_a_link_has_the_records_that_hold_for_what_it_leads_to():
    """The kind of fault: the same file has another time, since only a part of the tar is read."""
    header = tarfile.TarInfo.create_pax_global_header({"mtime": "77.0"})
    early, late = (member(Piece(f"{i}.jpg", bytes(700)), tarfile.USTAR_FORMAT) for i in range(2))
    links = b"".join(
        member(Piece(f"of {i}.jpg", b"", kind, f"{i}.jpg"), tarfile.USTAR_FORMAT)
        for i, kind in enumerate((tarfile.LNKTYPE, tarfile.LNKTYPE))
    )
    other = tarfile.TarInfo.create_pax_global_header({"mtime": "88.0"})
    data = b"".join([early, header, late, other, links, END])
    want = {"0.jpg": TIME, "1.jpg": 77.0, "of 0.jpg": TIME, "of 1.jpg": 77.0}
    for range_bytes in (1, 2500, 10**6):
        files = files_of(data, range_bytes)
        assert {file.name: file.modified_s for file in files} == want
    inner = files_of(tar_of(Piece("n.tar", data)))
    assert {file.name.removeprefix("n.tar!"): file.modified_s for file in inner} == want


def test_hidden_files_are_passed_over_and_no_hidden_tar_is_opened():
    files = [("._n01.tar", b"Mac"), (".git/a.png", b""), ("./b.png", b"b"), ("c/.d.png", b"")]
    assert [file.name for file in files_of(make_tar(files), 10**6)] == ["b.png"]


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
        (WHOLE + b"rubbish" + bytes(505), "no header of a member at byte 10240"),
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
        "rubbish behind the end",
        "so within",
        "broken header",
        "broken header within",
    ],
)
def test_a_damaged_tar_is_told_and_never_taken_for_a_shorter_one(data, message):
    with pytest.raises(ArchiveError, match=message):
        files_of(data, 10**6)


def test_a_header_of_more_than_a_megabyte_is_refused():
    """The kind of fault: a limit that no test holds, so that a tar may take any memory."""
    name = member(Piece("././@LongLink", b"x" * ((1 << 20) + 1), tarfile.GNUTYPE_LONGNAME))
    with pytest.raises(ArchiveError, match="a header of 1,048,577 bytes"):
        files_of(name + member(Piece("a.jpg", b"a")) + END)


def test_a_header_with_hundreds_of_digits_is_refused():
    records = member(Piece("a.jpg", b"a"), tarfile.PAX_FORMAT, comment="x" * 300 + "1" * 300)
    with pytest.raises(ArchiveError, match="a number of hundreds of digits"):
        files_of(records + END)
    fewer = member(Piece("a.jpg", b"a"), tarfile.PAX_FORMAT, comment="x" * 300 + "1" * 299)
    assert contents(files_of(fewer + END)) == {"a.jpg": b"a"}


def test_a_negative_size_is_refused():
    head = with_field(member(Piece("a.jpg"))[:512], 124, tarfile.itn(-512, 12, tarfile.GNU_FORMAT))
    with pytest.raises(ArchiveError, match="states a negative size"):
        files_of(head + END)


def test_records_for_all_members_end_with_their_tar():
    header = tarfile.TarInfo.create_pax_global_header({"mtime": "77.0"})
    first = header + member(Piece("0.jpg", b"a"), tarfile.USTAR_FORMAT) + END
    second = tar_of(Piece("1.jpg", b"b"), fmt=tarfile.USTAR_FORMAT)
    for range_bytes in (1, 10**6):
        assert [f.modified_s for f in files_of(first + second, range_bytes)] == [77.0, TIME]


def test_a_range_counts_the_bytes_of_its_links():
    link = Piece("1.jpg", type=tarfile.LNKTYPE, link="0.jpg")
    data = tar_of(Piece("0.jpg", b"a" * 1000), link, link._replace(name="2.jpg"))
    parts = plan_ranges(io.BytesIO(data), 4000)
    assert [part.weight for part in parts] == [1536 + 512 + 1536, 512 + 1536]


def test_the_pieces_of_a_file_with_holes_are_whole_blocks_and_at_most_64_mebibytes():
    cut = sparse_header((0, 100), (512, 100), size=1000, stored=200) + bytes(200)
    with pytest.raises(ArchiveError, match="unexpected end of data"):
        files_of(cut + bytes(312) + END)
    large = sparse_header((0, 512), size=(64 << 20) + 1, stored=512) + bytes(512)
    assert refusals(files_of(large + END)) == {"holes.bmp": "too_large"}


def test_a_file_that_is_too_large_for_memory_is_refused_and_the_others_are_read(monkeypatch):
    monkeypatch.setattr(tar_photos, "MAX_FILE_BYTES", 2999)
    file, _ = files_of(WHOLE)
    assert file.refusal == Refusal(
        Reason.TOO_LARGE, "3,000 bytes; at most 2,999 of such a file are read"
    )
