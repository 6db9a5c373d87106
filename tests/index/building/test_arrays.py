import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from devise_lib.errors import InputError
from devise_lib.index.building.arrays import StoredArray, array_header, read_range, save_array
from devise_lib.storage.copies import WrittenFile
from devise_lib.storage.files import file_sha256

DTYPES = ("<f4", "<i8", "<u4", "|u1", "S7")


@given(st.data())
def test_any_range_of_rows_is_what_the_array_has_there(tmp_path_factory, data):
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    array = data.draw(arrays(dtype, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9)))
    start = data.draw(st.integers(0, len(array)))
    stop = data.draw(st.integers(start, len(array)))
    path = str(tmp_path_factory.getbasetemp() / "any.npy")
    save_array(path, array)
    stored = StoredArray.open(path)
    assert (stored.shape, stored.dtype) == (array.shape, array.dtype)
    assert stored.rows(start, stop).tobytes() == array[start:stop].tobytes()
    assert stored.rows(start, stop).shape == array[start:stop].shape


def test_numpy_reads_what_is_saved_and_the_digest_is_that_of_the_file(tmp_path):
    path = tmp_path / "below" / "a.npy"
    array = np.arange(12, dtype=np.int32).reshape(4, 3)
    written = save_array(str(path), array)
    assert np.load(path).tolist() == array.tolist()
    assert written == WrittenFile(path.stat().st_size, file_sha256(path))


def test_an_array_in_the_order_of_columns_is_read_by_rows(tmp_path):
    array = np.arange(12).reshape(3, 4).T
    save_array(str(tmp_path / "a.npy"), array)
    assert StoredArray.open(str(tmp_path / "a.npy")).rows(1, 3).tolist() == array[1:3].tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (5,), (3, 4)])
def test_a_header_and_the_rows_behind_it_are_a_file_of_numpy(tmp_path, dtype, shape):
    array = np.zeros(shape, dtype)
    path = tmp_path / "a.npy"
    path.write_bytes(array_header(array.dtype, shape) + array.tobytes())
    assert np.load(path).dtype == array.dtype
    assert np.load(path).shape == shape


@pytest.mark.parametrize("content", [b"", b"\x93NUM", b"no array at all", b"\x93NUMPY\x01\x00\x05"])
def test_what_is_no_array_is_refused(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no array of numpy"):
        StoredArray.open(str(path))


def test_a_file_that_is_cut_off_is_told_by_the_rows_it_lacks(tmp_path):
    path = tmp_path / "a.npy"
    save_array(str(path), np.arange(10))
    path.write_bytes(path.read_bytes()[:-1])
    stored = StoredArray.open(str(path))
    assert stored.rows(0, 9).tolist() == list(range(9))
    with pytest.raises(InputError, match="is cut off: it ends before row 10"):
        stored.rows(9, 10)


def test_a_range_of_bytes_ends_with_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_range(str(tmp_path / "a"), 3, 6) == b"345"
    assert read_range(str(tmp_path / "a"), 8, 99) == b"89"


def test_a_range_of_a_store_is_read_as_one_of_a_disk(bucket, s3_files):
    path = f"s3a://{bucket}/a.npy"
    save_array(path, np.arange(20, dtype=np.int16).reshape(10, 2))
    stored = StoredArray.open(path)
    assert stored.rows(4, 6).tolist() == [[8, 9], [10, 11]]
    assert s3_files.status(path).size == stored.offset + 40
