import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.storage.files import LOCAL_FILES, SeekableFile

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


def test_the_status_of_a_file_has_its_size_and_time(path, tmp_path):
    status = LOCAL_FILES.status(path)
    assert (status.name, status.size, status.is_folder) == ("data", len(DATA), False)
    assert status.modified_s > 1e9
    assert LOCAL_FILES.status(str(tmp_path / "none")) is None
