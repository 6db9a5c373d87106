"""Arrow columns of vectors as numpy matrices and back, on the workers."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from devise_lib.numerics.vectors import stack_rows


def to_matrix(column: pa.ListArray, dimension: int) -> NDArray[np.float32]:
    """Return a column of vectors as (rows, dimension), float32, copied only where Arrow must.

    Raises:
        ValueError: a row is null or has another length; the message names the first such row.
    """
    values = column.flatten()
    lengths = pc.list_value_length(column)
    if column.null_count or values.null_count or not pc.all(pc.equal(lengths, dimension)).as_py():
        return stack_rows(column.to_pylist(), dimension)  # slow, but its error names the row
    return values.to_numpy(zero_copy_only=False).reshape(len(column), dimension)


def to_lists(values: NDArray[Any], ends: NDArray[np.int64]) -> pa.ListArray:
    """Return a column of lists; row i holds `values` from ends[i] to ends[i + 1]."""
    return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(values))


def rows_to_lists(matrix: NDArray[Any]) -> pa.ListArray:
    """Return the rows of a matrix as a column of lists."""
    n, width = matrix.shape
    return to_lists(matrix.ravel(), np.arange(n + 1) * width)


def rows_to_binary(matrix: NDArray[np.int8]) -> pa.BinaryArray:
    """Return the rows of a matrix of bytes as a binary column."""
    n, width = matrix.shape
    offsets = (np.arange(n + 1) * width).astype(np.int32)
    content = np.ascontiguousarray(matrix)
    return pa.Array.from_buffers(
        pa.binary(), n, [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    )


def binary_to_rows(column: pa.BinaryArray) -> NDArray[np.int8]:
    """Return the matrix of bytes of which `rows_to_binary` made a column; none of it is copied."""
    n = len(column)
    if not n:
        return np.empty((0, 0), np.int8)
    _, offsets, content = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + n + 1]
    return np.frombuffer(content, np.int8)[bounds[0] : bounds[-1]].reshape(n, -1)
