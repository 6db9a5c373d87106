"""Any bytes as a tar: every member is read or refused, or an error says what is wrong.

Python's tarfile, which passes over zeros between members (ignore_zeros), is the slow other reader.
It takes the times in headers of GNU's own format for a part of the path, so it gets these headers
without them. What GNU tar makes of such a tar is tested in vision/archives/test_tar_photos.py.
"""

import base64
import io
import tarfile
import zlib
from collections.abc import Callable

from hypothesis import example
from hypothesis import strategies as st

from devise_lib.vision.archives.tar_members import ArchiveError
from devise_lib.vision.archives.tar_names import member_name
from devise_lib.vision.archives.tar_photos import File, is_hidden
from tests.fuzz.conftest import limits
from tests.vision.archives.tars import END, Piece, contents, files_of, member, refusals

BLOCK = tarfile.BLOCKSIZE
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
RANGES = (1, 1_500, 6_000)  # bytes that a tar is cut into, beside one range of all
LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
FIELDS = {  # of a header: where they are
    "name": (0, 100),
    "size": (124, 136),
    "time": (136, 148),
    "type": (156, 157),
    "link": (157, 257),
    "prefix": (345, 500),
    "pieces": (386, 483),
    "real size": (483, 495),
}


class Tar(bytes):
    """Bytes that are shown in a form short enough to be kept as an example."""

    def __repr__(self) -> str:
        return f"unpack({base64.b85encode(zlib.compress(self, 9))!r})"


def unpack(packed: bytes) -> Tar:
    return Tar(zlib.decompress(base64.b85decode(packed)))


Change = Callable[[bytes], bytes]

plain_names = st.sampled_from(
    ["a.jpg", "b/c.jpg", "./b/c.jpg", "/d.jpg", "b/../a.jpg", "b", ".x", "..", "b//c.jpg", "b/"]
)
odd_names = st.sampled_from(["b/" + "long" * 60, "é.jpg", "\udce9.jpg", "x\n.jpg", "1" * 200])
names = st.one_of(plain_names, plain_names, odd_names)
tar_names = st.sampled_from(["n.tar", "b/n.tar"])
types = st.sampled_from(
    [tarfile.REGTYPE] * 4
    + [tarfile.LNKTYPE, tarfile.SYMTYPE] * 2
    + [tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
    + [b"M", b"V", b"D", b"Z"]
)
WITHOUT_BYTES = (*LINKS, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"V")
bodies = st.one_of(st.binary(max_size=40), st.sampled_from([bytes(512), b"x" * 513, b"y" * 2_000]))


@st.composite
def members_bytes(draw: st.DrawFn) -> bytes:
    """The headers and bytes of a member."""
    kind, name = draw(types), draw(names)
    body = b"" if kind in WITHOUT_BYTES or name.endswith("/") else draw(bodies)
    piece = Piece(name, body, kind, draw(names) if kind in LINKS else "")
    try:
        return member(piece, draw(st.sampled_from(FORMATS)))
    except ValueError:  # the format has no room for the name
        return b""


@st.composite
def inner_tars(draw: st.DrawFn) -> bytes:
    return member(Piece(draw(tar_names), draw(tars)))


def joined(parts: list[bytes]) -> bytes:
    return b"".join(parts) + END


tars = st.lists(members_bytes(), max_size=5).map(joined)
gaps = st.integers(0, 5).map(lambda blocks: bytes(blocks * BLOCK))
nested = st.lists(st.one_of(members_bytes(), members_bytes(), inner_tars()), max_size=5).map(joined)
many = st.builds(lambda *parts: Tar(b"".join(parts)), nested, gaps, st.one_of(nested, gaps))


def with_checksum(block: bytes) -> bytes:
    """A header whose checksum is right again."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Something that is done to a tar: to its bytes, its blocks, or a field of a header."""
    at, to, data = draw(st.integers(0, 40)), draw(st.integers(0, 40)), draw(st.binary(max_size=24))
    kind = draw(st.sampled_from(["bytes", "cut", "copy", "drop", "field", "field", "field"]))
    start, stop = draw(st.sampled_from(list(FIELDS.values())))
    numbers = st.integers(-(2**40), 2**87).map(lambda n: tarfile.itn(n, 12, tarfile.GNU_FORMAT))
    texts = st.sampled_from([b"0", b"L", b"K", b"x", b"g", b"S", b"1", b"2", b"7", b"M", b"\xff"])
    value = draw(st.one_of(st.binary(max_size=stop - start), texts, numbers))[: stop - start]

    def change(tar: bytes) -> bytes:
        place = at * 97 % (len(tar) + 1)
        block = at * BLOCK % (len(tar) + 1) // BLOCK * BLOCK
        other = to * BLOCK % (len(tar) + 1) // BLOCK * BLOCK
        if kind == "bytes":
            return tar[:place] + data + tar[place + len(data) :]
        if kind == "cut":
            return tar[:place]
        if kind == "copy":
            return tar[:other] + tar[block : block + 2 * BLOCK] + tar[other:]
        if kind == "drop":
            return tar[:block] + tar[block + BLOCK :]
        header = tar[block : block + BLOCK]
        if len(header) < BLOCK:
            return tar
        header = header[:start] + value.ljust(stop - start, b"\0") + header[stop:]
        return tar[:block] + with_checksum(header) + tar[block + BLOCK :]

    return change


@st.composite
def changed(draw: st.DrawFn) -> Tar:
    tar: bytes = draw(many)
    for change in draw(st.lists(changes(), min_size=1, max_size=4)):
        tar = change(tar)
    return Tar(tar)


class Posix(tarfile.TarInfo):
    """A header whose prefix counts in the format of POSIX alone."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> "Posix":
        header = super().frombuf(buf, encoding, errors)
        start, stop = FIELDS["prefix"]
        gnu = buf[257:265] == b"ustar  \0" or buf[257:262] != b"ustar"
        if gnu and header.type != tarfile.GNUTYPE_SPARSE:
            plain = with_checksum(buf[:start] + bytes(stop - start) + buf[stop:])
            return super().frombuf(plain, encoding, errors)
        return header


def opened_by_tarfile(tar: Tar) -> tarfile.TarFile:
    source = io.BytesIO(tar)
    return tarfile.open(fileobj=source, mode="r:", ignore_zeros=True, tarinfo=Posix)


def wanted(tar: Tar) -> dict[str, bytes | None]:
    """What tarfile finds by name: the bytes of files, None for what it cannot read."""
    found: dict[str, bytes | None] = {}
    with opened_by_tarfile(tar) as archive:
        # The label of a volume and the list of a folder hold no file, so no link leads to one, as
        # tarfile would have it.
        archive.members = [m for m in archive.getmembers() if m.type not in (b"V", b"D")]
        for header in archive.getmembers():
            name = member_name(header.name).encode("utf-8", "backslashreplace").decode()
            if header.isdir():
                continue
            found.pop(name, None)
            if is_hidden(name) or not (header.isfile() or header.islnk() or header.issym()):
                continue
            try:
                opened = archive.extractfile(header)
                found[name] = opened.read() if opened else None
            except (KeyError, RecursionError, tarfile.TarError):
                found[name] = None
    return found


def links_and_no_files(tar: Tar) -> set[str]:
    """Members that hold no bytes of their own, by name."""
    with opened_by_tarfile(tar) as archive:
        names = [member_name(m.name) for m in archive if not m.isfile() and m.type != b"Z"]
    return {name.encode("utf-8", "backslashreplace").decode() for name in names}


def read(tar: Tar, range_bytes: int) -> list[File] | None:
    """What our reader finds; None where it stops with a message."""
    try:
        return files_of(tar, range_bytes)
    except ArchiveError:
        return None


# A symbolic link to the label of a volume, which holds no file.
LABEL = unpack(
    b"c-l+U%PL4`pe--}0y7g6FbxFgG?;B@Y;I(3Vh9ljQl`cX3Pwr#$uxIfX>m"
    b"zn5zr|NqhJ(_f>AKC06mIWlFNSsb3=1;28A$s1i)zdKMF>{C>Wst00sXaN&"
)

# A hard link to the list of a folder.
LIST = unpack(
    b"c-rmOJqmy@3<cmEB`1)kEy)GENGHKb{JFoSIMvxA<b6v@mSoAJWm>m|z7;CXxz(z#?JdcoWqJB)L5Twma2;pa>qr6s@T"
    b"L4B|K*kcDG|@ee*g#f-~aziqY=x9<#7K1;M5I(M=Uh"
)


@example(LABEL)
@example(LIST)
def assert_every_member_is_read_or_told(tar: Tar) -> None:
    with limits(cpu_seconds=5.0, mebibytes=300.0):
        files = read(tar, 1 << 30)
        for range_bytes in RANGES:
            assert read(tar, range_bytes) == files
    if files is None:
        return
    got, refused = contents(files), refusals(files)
    for name, content in wanted(tar).items():
        if name.endswith(".tar"):  # which are opened
            continue
        assert name in got or name in refused, name
        if content is not None and name in got:
            assert got[name] == content, name


def assert_read_as_by_tarfile(tar: Tar) -> None:
    """Of a tar that no one has damaged, nothing but links may be refused where tarfile reads it."""
    refused = {name for name in refusals(files_of(tar)) if "!" not in name}
    assert refused <= links_and_no_files(tar)
    assert_every_member_is_read_or_told(tar)


def test_a_tar_of_any_members_is_read_as_tarfile_reads_it(fuzz):
    fuzz(assert_read_as_by_tarfile, many, examples=25)


def test_of_a_damaged_tar_every_member_is_read_or_told(fuzz):
    fuzz(assert_every_member_is_read_or_told, changed(), examples=25)


def test_any_bytes_are_a_tar_or_told(fuzz):
    fuzz(assert_every_member_is_read_or_told, st.binary(max_size=3_000).map(Tar), examples=20)
