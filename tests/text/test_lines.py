import pytest

from devise_lib.errors import InputError
from devise_lib.text.lines import numbered_lines


def test_blank_lines_are_passed_over_and_numbers_are_the_files(tmp_path):
    path = tmp_path / "f.txt"
    path.write_bytes("\ufeffä b\r\n\n \t\nc\n".encode())
    assert list(numbered_lines(str(path), "words")) == [(1, "ä b"), (4, "c")]


def test_a_file_that_is_missing_or_not_in_utf_8_is_told(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none, want some words: No such file"):
        list(numbered_lines(str(tmp_path / "none"), "some words"))
    path = tmp_path / "latin.txt"
    path.write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.txt: want some words in UTF-8"):
        list(numbered_lines(str(path), "some words"))
