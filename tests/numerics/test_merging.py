import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.merging import OFTEN_ROWS, damping, merges_between, rows_to_merge


@pytest.mark.parametrize(
    ("merge", "blocks"), [(1, 1), (2, 2), (3, 1), (4, 4), (6, 2), (8, 8), (12, 4), (1024, 1024)]
)
def test_a_merge_covers_as_many_rows_as_it_can_be_halved(merge, blocks):
    assert rows_to_merge(merge, 10**9) == blocks * OFTEN_ROWS
    assert rows_to_merge(merge, 100) == 100


@given(st.integers(1, 40 * OFTEN_ROWS), st.integers(1, 70))
def test_merges_between_are_those_that_come_before_a_row_is_covered(rows, merges):
    between = merges_between(rows, merges)
    assert between.shape == (rows,)
    for row in {0, rows // 3, rows - 1}:
        covers = [m for m in range(1, merges) if rows_to_merge(m, rows) > row]
        first = (covers or [merges])[0]  # the last of a pass covers all rows
        assert between[row] == first


@given(st.lists(st.floats(0, 50), min_size=1, max_size=20), st.integers(1, 64))
def test_damping_takes_all_of_one_worker_and_never_less_than_the_mean_of_many(progress, workers):
    parts = damping(np.array(progress), workers)
    assert (parts <= 1.0 + 1e-6).all()
    assert (parts >= 1.0 / workers - 1e-9).all()
    np.testing.assert_allclose(damping(np.array(progress), 1), 1.0)
    order = np.argsort(progress)
    assert (np.diff(parts[order]) <= 1e-6).all()  # the further, the less


def test_changes_of_rare_words_add_up_and_those_of_common_ones_are_averaged():
    parts = damping(np.array([0.0, 1e-6, 40.0]), 8)
    np.testing.assert_allclose(parts, [1.0, 1.0, 0.125], rtol=1e-4)


@given(st.integers(1, 9), st.integers(1, 30), st.floats(0.001, 0.5))
def test_the_damped_sum_goes_as_far_as_one_worker_with_all_examples(workers, examples, share):
    """Each example takes the row a share of the way to 1, from 0."""

    def walk(steps):
        at = 0.0
        for _ in range(steps):
            at += share * (1.0 - at)
        return at

    x = np.array([-examples * np.log1p(-share)])
    summed = workers * walk(examples) * damping(x, workers)[0]
    assert summed == pytest.approx(walk(workers * examples), rel=1e-6)
