import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.index.building.intake import Intake, take_in
from devise_lib.reasons import Reason

INF, NAN = math.inf, math.nan
FLOAT32 = st.floats(width=32)
NUMBERS = st.one_of(st.none(), st.sampled_from((0.0, -0.0, 1.0, 3e38, 1e-45, INF, NAN)), FLOAT32)
ROWS = st.one_of(
    st.none(), st.lists(NUMBERS, max_size=5), st.lists(FLOAT32, min_size=3, max_size=3)
)


def take(rows, dimension: int = 3) -> Intake:
    ids = pa.array([f"p{i}" for i in range(len(rows))], pa.string())
    return take_in(ids, pa.array(rows, pa.list_(pa.float32())), dimension)


def reason_of(row, dimension: int) -> Reason | None:
    """Row by row, with Python's numbers."""
    if row is None or len(row) != dimension:
        return Reason.WRONG_LENGTH
    if any(x is None or not math.isfinite(x) for x in row):
        return Reason.NOT_FINITE
    return None if any(row) else Reason.ZERO_VECTOR


@given(st.lists(ROWS, max_size=8))
def test_each_row_is_taken_or_rejected_as_if_it_were_alone(rows):
    taken = take(rows)
    reasons = [reason_of(row, 3) for row in rows]
    kept = [place for place, reason in enumerate(reasons) if reason is None]
    assert taken.kept.tolist() == kept
    got = {each.photo_id: each.reason for each in taken.rejected}
    assert got == {f"p{i}": reason for i, reason in enumerate(reasons) if reason is not None}
    assert len(taken.rejected) == len(got)
    assert taken.vectors.dtype == np.float32
    for place, vector in zip(kept, taken.vectors, strict=True):
        length = math.hypot(*rows[place])
        wanted = [x / length for x in rows[place]]
        np.testing.assert_allclose(vector, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        (None, "wrong_length", "the embedding is null, want 3"),
        ([], "wrong_length", "the embedding has 0 numbers, want 3"),
        ([1.0, 2.0], "wrong_length", "the embedding has 2 numbers, want 3"),
        ([1.0, NAN, INF], "not_finite", "2 of 3 numbers are null, NaN or infinite"),
        ([1.0, None, 1.0], "not_finite", "1 of 3 numbers are null, NaN or infinite"),
        ([0.0, 0.0, NAN], "not_finite", "1 of 3 numbers are null, NaN or infinite"),
        ([0.0, -0.0, 0.0], "zero_vector", "all 3 numbers are 0"),
    ],
)
def test_what_is_rejected_says_why(row, reason, message):
    [rejected] = take([row]).rejected
    assert (rejected.photo_id, str(rejected.reason), rejected.message) == ("p0", reason, message)


def test_a_batch_of_nothing_gives_nothing():
    taken = take([])
    assert taken.vectors.shape == (0, 3)
    assert not taken.rejected


def test_a_slice_of_a_batch_is_taken_without_the_rows_around_it():
    rows = pa.array([[9.0, 9.0], None, [3.0, 4.0], [0.0, 2.0], [NAN, 1.0]], pa.list_(pa.float32()))
    ids = pa.array(list("abcde"))
    taken = take_in(ids.slice(1, 3), rows.slice(1, 3), 2)
    assert taken.kept.tolist() == [1, 2]
    np.testing.assert_allclose(taken.vectors, [[0.6, 0.8], [0, 1]], rtol=1e-6)
    assert [each.photo_id for each in taken.rejected] == ["b"]


def test_numbers_of_double_precision_are_taken():
    taken = take_in(pa.array(["a"]), pa.array([[3.0, 4.0]], pa.list_(pa.float64())), 2)
    np.testing.assert_allclose(taken.vectors, [[0.6, 0.8]], rtol=1e-6)
    assert taken.vectors.dtype == np.float32
