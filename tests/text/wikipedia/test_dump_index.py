import bz2

import pytest

from devise_lib.errors import InputError
from devise_lib.storage.files import LOCAL_FILES
from devise_lib.text.wikipedia.dump_index import indexed_streams


def streams(path) -> list[tuple[int, int]]:
    return list(indexed_streams(LOCAL_FILES, LOCAL_FILES.status(str(path))))


@pytest.mark.parametrize("packed", [True, False])
def test_gives_each_stream_with_its_number_of_pages(tmp_path, packed):
    lines = b"600:1:A: b\n600:2:\xc3\xa4:1\n9000:3:x\n"
    (tmp_path / "i").write_bytes(bz2.compress(lines) if packed else lines)
    assert streams(tmp_path / "i") == [(600, 2), (9000, 1)]


def test_an_empty_index_has_no_stream(tmp_path):
    (tmp_path / "i").write_bytes(b"")
    assert streams(tmp_path / "i") == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("offset:2:a", "offsets ascending"),
        ("9:2:a", "offsets ascending"),
        ("10 2 a", "offsets ascending"),
        ("10:x:a", "offsets ascending"),
        ("-5:2:a", "offsets ascending"),
        ("10:1:a", "each page once"),
        ("20:1:a", "each page once"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, rule):
    (tmp_path / "i.txt").write_text(f"10:1:a\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"i\.txt, line 2: .*{rule}"):
        streams(tmp_path / "i.txt")


def test_an_index_that_is_cut_off_is_refused(tmp_path):
    packed = bz2.compress(b"".join(b"%d:%d:a\n" % (n, n) for n in range(1000)))
    (tmp_path / "i.txt.bz2").write_bytes(packed[:-20])
    with pytest.raises(InputError, match=r"i\.txt\.bz2: cut off or broken"):
        streams(tmp_path / "i.txt.bz2")
