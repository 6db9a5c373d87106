import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.search.submissions import brief_scores, fit_threshold

PHOTOS = np.array([[1.0, 0, 0], [0, 1, 0], [0.6, 0.8, 0]])
TEXT = np.array([1.0, 0, 0])
EXAMPLES = np.array([[0.0, 1, 0], [0, 0, 1]])


def test_text_and_examples_are_weighed():
    found = brief_scores(PHOTOS, TEXT, EXAMPLES, text_weight=0.25)
    np.testing.assert_allclose(found, [0.25, 0.75, 0.25 * 0.6 + 0.75 * 0.8])
    of_all = brief_scores(PHOTOS, TEXT, EXAMPLES, text_weight=0.25, pooling="mean")
    np.testing.assert_allclose(of_all, [0.25, 0.375, 0.25 * 0.6 + 0.75 * 0.4])


def test_a_brief_of_one_kind_counts_whole():
    np.testing.assert_allclose(brief_scores(PHOTOS, TEXT, text_weight=0.1), [1, 0, 0.6])
    np.testing.assert_allclose(brief_scores(PHOTOS, TEXT, EXAMPLES[:0]), [1, 0, 0.6])
    np.testing.assert_allclose(brief_scores(PHOTOS, None, EXAMPLES), [0, 1, 0.8])


def test_an_empty_brief_and_a_wrong_weight_are_refused():
    with pytest.raises(InputError, match="got neither"):
        brief_scores(PHOTOS, None)
    with pytest.raises(InputError, match="text_weight is 2"):
        brief_scores(PHOTOS, TEXT, text_weight=2)


scores = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=8).map(np.array)


@given(scores, scores)
def test_no_other_threshold_is_better(accepted, rejected):
    found = fit_threshold(accepted, rejected)

    def balanced(cut):
        return (np.mean(accepted >= cut) + np.mean(rejected < cut)) / 2

    tried = np.arange(-0.75, 7, 0.25)
    assert found.balanced_accuracy == pytest.approx(balanced(found.score))
    assert found.balanced_accuracy == pytest.approx(max(balanced(cut) for cut in tried))
    assert 0 <= found.area <= 1


def test_the_threshold_lies_between_the_kinds():
    found = fit_threshold(np.array([0.8, 0.9]), np.array([0.1, 0.4]))
    assert (found.score, found.balanced_accuracy, found.area) == (pytest.approx(0.6), 1.0, 1.0)


def test_a_threshold_that_accepts_all_leaves_room_below_the_least_score():
    """The same photo may get another last bit in another call of the network."""
    found = fit_threshold(np.array([0.2]), np.array([0.9]))
    assert found.score == pytest.approx(0.2 - 1e-4)
    assert found.area == 0.0


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="want finite scores"):
        fit_threshold(np.array([np.nan, 0.2]), np.array([0.5]))


def test_a_threshold_wants_both_kinds():
    with pytest.raises(InputError, match="got 0 and 1"):
        fit_threshold(np.zeros(0), np.zeros(1))
