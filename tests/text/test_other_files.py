import bz2
import gzip
import lzma

import pytest

from devise_lib.text.other_files import other_file


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (
            lzma.compress(b"a"),
            "packed with xz; unpack it, or pack what is in it with gzip or bzip2",
        ),
        (gzip.compress(b"a", mtime=0), "packed with gzip within another packing; unpack it once"),
        (bz2.compress(b"a"), "packed with bzip2 within another packing; unpack it once"),
        ("a".encode("utf-32"), "text in UTF-32; write it in UTF-8"),
        ("a".encode("utf-16"), "text in UTF-16; write it in UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE HTML>", "a page of HTML"),
        (b"<html lang=en>", "a page of HTML"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"SQLite format 3\x00", "an SQLite database"),
    ],
)
def test_a_file_of_another_kind_is_named(head, what):
    assert (other_file(head, "gzip or bzip2") or "").startswith(what)


@pytest.mark.parametrize("head", [b"", b"PAR1 0.1", b"<htm 1 2", b"version 0.1 0.2", b"the 1 2"])
def test_a_text_has_no_other_name(head):
    assert other_file(head, "gzip or bzip2") is None
