import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.storage.files import LOCAL_FILES
from devise_lib.storage.ranges import ReadAhead, SeekableFile

DATA = bytes(range(251)) * 40


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("files") / "data"
    file.write_bytes(DATA)
    return str(file)


steps = st.lists(
    st.tuples(st.integers(0, len(DATA) + 50), st.integers(0, 3000)), min_size=1, max_size=10
)


@given(steps, st.integers(1, 500))
def test_a_seekable_file_reads_at_any_place_as_bytes_in_memory_do(path, some, buffer):
    status = LOCAL_FILES.status(path)
    file = io.BufferedReader(SeekableFile(LOCAL_FILES, path, status.size), buffer)
    oracle = io.BytesIO(DATA)
    for place, count in some:
        assert file.seek(place) == oracle.seek(place)
        assert file.read(count) == oracle.read(count)
        assert file.tell() == oracle.tell()
    assert file.seek(-3, io.SEEK_END) == len(DATA) - 3
    assert file.read() == DATA[-3:]


@given(st.integers(0, len(DATA) + 9), st.integers(0, len(DATA) + 99), st.integers(1, 4000))
def test_a_range_is_that_of_the_bytes_however_it_is_cut(start, stop, piece_bytes):
    asked = []

    def fetch(first, last):
        asked.append((first, last))
        return DATA[first:last]

    with io.BufferedReader(ReadAhead(fetch, start, stop, piece_bytes), 100) as file:
        assert file.read() == DATA[start:stop]
    assert all(0 < last - first <= piece_bytes for first, last in asked)
    assert len({first for first, _ in asked}) == len(asked)  # no byte is fetched twice


def test_an_error_of_the_piece_ahead_is_raised_where_it_is_read():
    def fetch(first, last):
        if first:
            raise OSError("the store is gone")
        return DATA[first:last]

    with ReadAhead(fetch, 0, 100, 40) as file:
        assert file.read(40) == DATA[:40]
        with pytest.raises(OSError, match="the store is gone"):
            file.read(1)
