import numpy as np
import pyarrow as pa
import pytest

from devise_lib.spark.tables.vector_columns import to_matrix

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def column(rows):
    return pa.array(rows, pa.list_(pa.float32()))


def test_a_column_is_its_rows():
    matrix = to_matrix(column(ROWS), 2)
    assert matrix.dtype == np.float32
    assert matrix.tolist() == ROWS


def test_a_slice_of_a_column_is_its_rows():
    assert to_matrix(column(ROWS).slice(1, 1), 2).tolist() == ROWS[1:2]


def test_no_rows_make_a_matrix_of_that_width():
    assert to_matrix(column([]), 2).shape == (0, 2)


@pytest.mark.parametrize(
    "rows", [[[1.0, 2.0], None], [[1.0, 2.0], [3.0]], [[1.0], [2.0, 3.0, 4.0]]]
)
def test_a_row_that_does_not_fit_is_named(rows):
    with pytest.raises(ValueError, match=r"row \d .*want a vector of length 2"):
        to_matrix(column(rows), 2)
