import bz2
import gzip
import io
import lzma
import zipfile
from math import inf, nan

import pytest

from devise_lib.spark.ingest.rows import GREATEST_TIME_S, microseconds, refuse
from tests.vision.archives.tars import Piece, tar_of

TAR = tar_of(Piece("a.jpg", b"a"))


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jpg", b"a")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (gzip.compress(TAR, mtime=0), "packed with gzip"),
        (bz2.compress(TAR), "packed with bzip2"),
        (lzma.compress(TAR), "packed with xz"),
        (lzma.compress(TAR, lzma.FORMAT_ALONE), "packed with lzma"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "packed with zstd"),
        (zipped(), "a zip archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(20), "a 7z archive"),
        (b"Rar!\x1a\x07\x01\0" + bytes(20), "a rar archive"),
    ],
)
def test_an_archive_that_is_not_opened_is_named_by_its_first_bytes(content, kind):
    """Of the kind: a refusal that does not say what the file is or what to do."""
    refusal = refuse(content, 100, 1)
    assert refusal is not None
    assert refusal.reason == "unsupported_format"
    assert refusal.message == (
        f"it is {kind}, which is not opened: unpack it, or pack it as a .tar"
    )


def test_a_tar_of_another_name_is_told_why_it_is_not_opened():
    refusal = refuse(TAR, 100, 1)
    assert refusal is not None
    assert refusal.message == (
        "it is a tar archive, which is not opened: its name does not end in .tar"
    )


def test_what_is_no_archive_is_refused_as_before():
    assert refuse(b"no photo at all", 100, 1).reason == "not_an_image"


def test_a_time_that_no_calendar_has_is_the_nearest_one():
    assert microseconds(1.5) == 1_500_000
    assert microseconds(nan) == 0
    assert microseconds(inf) == microseconds(2.0**88) == GREATEST_TIME_S * 10**6
    assert microseconds(-inf) < 0
