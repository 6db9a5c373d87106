import io
import tarfile
import zipfile

import pytest

from devise_lib.archive_kinds import HEAD_BYTES, archive_kind


def packed(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a.txt", b"a")
    else:
        formats = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT}
        with tarfile.open(fileobj=out, mode="w", format=formats[kind]) as tar:
            tar.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("zip", "a zip archive"), ("ustar", "a tar archive"), ("gnu", "a tar archive")],
)
def test_an_archive_is_told_by_its_first_bytes(kind, name):
    assert archive_kind(packed(kind)[:HEAD_BYTES]) == name


@pytest.mark.parametrize("head", [b"", b"\xff\xd8\xff\xe0", b"the 0.1 0.2", b"<mediawiki>"])
def test_what_is_no_archive_has_no_name(head):
    assert archive_kind(head) == ""
