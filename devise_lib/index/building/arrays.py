"""Arrays in files of numpy's format, of which ranges of rows are read from a disk or a store."""

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.storage.copies import WrittenFile, write_hashed
from devise_lib.storage.stores import store_files

NPY: Any = np.lib.format  # has no types
HEADER_BYTES = 4_096  # numpy's header is shorter


def save_array(path: str, array: NDArray[Any]) -> WrittenFile:
    """Writes an array to a file, and returns the file's size and digest."""

    def write(file: BinaryIO) -> None:
        NPY.write_array(file, np.asarray(array, order="C"), allow_pickle=False)

    return write_hashed(path, write)


def array_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Returns how a file with an array of this type and shape begins; its rows follow."""
    file = io.BytesIO()
    about = {"descr": NPY.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    NPY.write_array_header_1_0(file, about)
    return file.getvalue()


@dataclass(frozen=True)
class StoredArray:
    """An array (n, ...) in a file, which is not read as a whole."""

    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @classmethod
    def open(cls, path: str) -> "StoredArray":
        """Reads the header of a file.

        Raises:
            InputError: it is no file of an array.
        """
        try:
            file = io.BytesIO(read_range(path, 0, HEADER_BYTES))
            NPY.read_magic(file)
            shape, _, dtype = NPY.read_array_header_1_0(file)
        except ValueError as error:
            raise InputError(f"{path} is no array of numpy ({error})") from error
        return cls(path, dtype, shape, file.tell())

    @property
    def row_bytes(self) -> int:
        """The length of a row."""
        return self.dtype.itemsize * int(np.prod(self.shape[1:]))

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Returns the rows from start up to stop.

        Raises:
            InputError: the file is cut off.
        """
        first = self.offset + start * self.row_bytes
        wanted = (stop - start) * self.row_bytes
        content = read_range(self.path, first, first + wanted)
        if len(content) != wanted:
            raise InputError(f"{self.path} is cut off: it ends before row {stop}")
        return np.frombuffer(content, self.dtype).reshape(stop - start, *self.shape[1:])


def read_range(path: str, start: int, stop: int) -> bytes:
    """Returns the bytes of a file from start up to stop, or up to its end."""
    with io.BufferedReader(store_files().open_range(path, start, stop)) as file:
        return file.read(stop - start)
