"""Columns of vectors on the workers: Arrow lists as numpy matrices."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from devise_lib.numerics.vectors import stack_rows


def to_matrix(column: pa.ListArray, dimension: int) -> NDArray[np.float32]:
    """A column of vectors as (rows, dimension), without a copy where Arrow allows it.

    Raises:
        ValueError: a row is null or has another length; names the first such row.
    """
    values = column.flatten()
    lengths = pc.list_value_length(column)
    if column.null_count or values.null_count or not pc.all(pc.equal(lengths, dimension)).as_py():
        return stack_rows(column.to_pylist(), dimension)  # slow: it is here to name the row
    return values.to_numpy(zero_copy_only=False).reshape(len(column), dimension)
