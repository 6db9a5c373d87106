import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from devise_lib.archive_kinds import HEAD_BYTES, archive_kind


def zipped(names: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"a")
    return out.getvalue()


def tarred(kind: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return out.getvalue()


KINDS = {
    "tar of POSIX": (tarred(tarfile.USTAR_FORMAT), "a tar archive"),
    "tar of GNU": (tarred(tarfile.GNU_FORMAT), "a tar archive"),
    "zip": (zipped(["a.txt"]), "a zip archive"),
    "empty zip": (zipped([]), "an empty zip archive"),
    "gzip": (gzip.compress(b"a"), "packed with gzip"),
    "bzip2": (bz2.compress(b"a"), "packed with bzip2"),
    "empty bzip2": (bz2.compress(b""), "packed with bzip2"),
    "xz": (lzma.compress(b"a"), "packed with xz"),
    "lzma": (lzma.compress(b"a", lzma.FORMAT_ALONE), "packed with lzma"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04", "packed with zstd"),
    "lz4": (b"\x04\x22\x4d\x18\x64", "packed with lz4"),
    "lzip": (b"LZIP\x01\x0c", "packed with lzip"),
    "compress": (b"\x1f\x9d\x90", "packed with compress (.Z)"),
    "snappy": (b"\xff\x06\x00\x00sNaPpY\x01", "packed with snappy"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
    "rar 4": (b"Rar!\x1a\x07\x00", "a rar archive"),
    "rar 5": (b"Rar!\x1a\x07\x01\x00", "a rar archive"),
    "ar": (b"!<arch>\na.o/", "an ar archive"),
    "cpio": (b"070701" + b"0" * 104, "a cpio archive"),
    "cpio of POSIX": (b"070707" + b"0" * 70, "a cpio archive"),
}


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_is_told_by_its_first_bytes(name):
    content, kind = KINDS[name]
    assert archive_kind(content[:HEAD_BYTES]) == kind


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xd8\xff\xe0", b"the 0.1 0.2", b"<mediawiki>", b"BZhang 1 2", b"070707 0.1"]
)
def test_what_is_no_archive_has_no_name(head):
    assert archive_kind(head) == ""
