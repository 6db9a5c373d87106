import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from devise_lib.numerics.vectors import l2_normalize, stack_rows

matrices = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-1e3, 1e3)
)


@given(matrices)
def test_stacked_rows_are_the_rows(matrix):
    stacked = stack_rows(matrix.tolist(), matrix.shape[1])
    assert stacked.dtype == np.float32
    np.testing.assert_array_equal(stacked, matrix.astype(np.float32))


def test_no_rows_stack_to_a_matrix_without_rows():
    assert stack_rows([], 3).shape == (0, 3)


@pytest.mark.parametrize("bad", [None, [1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]]])
def test_a_row_that_does_not_fit_is_named(bad):
    with pytest.raises(ValueError, match=r"row 1 .* want a vector of length 2"):
        stack_rows([[1.0, 2.0], bad, None], 2)


@given(matrices)
def test_normalized_rows_have_unit_norm_and_their_direction(matrix):
    unit = l2_normalize(matrix)
    for row, scaled in zip(matrix, unit, strict=True):
        if row.any():
            assert np.linalg.norm(scaled) == pytest.approx(1.0)
            biggest = np.abs(row).argmax()
            np.testing.assert_allclose(scaled / scaled[biggest], row / row[biggest], atol=1e-12)
        else:
            assert not scaled.any()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_rows_whose_squares_leave_float32_are_normalized_too(scale):
    unit = l2_normalize(np.array([[3.0, -4.0]], dtype=np.float32) * np.float32(scale))
    np.testing.assert_allclose(unit, [[0.6, -0.8]], rtol=1e-6)


def test_normalizing_keeps_the_type_and_the_argument():
    matrix = np.array([[3.0, 4.0]], dtype=np.float32)
    assert l2_normalize(matrix).dtype == np.float32
    assert matrix.tolist() == [[3.0, 4.0]]
