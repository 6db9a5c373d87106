"""Arrow columns of vectors as numpy matrices, on the workers."""

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
