import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import skew

from devise_lib.numerics import hubness as hubness_module
from devise_lib.numerics.hubness import csls, hubness, mean_of_nearest, nearest_means

counts = arrays(np.int64, st.integers(1, 12), elements=st.integers(0, 9))


def test_hubness_by_hand():
    """Four labels, ten queries, k = 2: one label takes ten of twenty places, one has none."""
    found = hubness(np.array([10, 6, 4, 0]), 2)
    assert found.antihub_share == 0.25
    assert found.hub_occurrence == 1.0  # 10, 6 and 4 are all at least 2k
    assert found.robin_hood == pytest.approx((5 + 1) / 20)
    even = hubness(np.full(4, 3), 2)
    assert (even.skewness, even.antihub_share, even.hub_occurrence, even.robin_hood) == (0, 0, 0, 0)


@given(counts.filter(lambda n: n.sum() > 0), st.integers(1, 4))
def test_hubness_is_what_its_words_say(occurrences, k):
    found = hubness(occurrences, k)
    total, mean = sum(occurrences), sum(occurrences) / len(occurrences)
    if len(set(occurrences)) > 1:
        assert found.skewness == pytest.approx(skew(occurrences), abs=1e-9)
    assert found.antihub_share == pytest.approx(list(occurrences).count(0) / len(occurrences))
    assert found.hub_occurrence == pytest.approx(sum(n for n in occurrences if n >= 2 * k) / total)
    assert found.robin_hood == pytest.approx(sum(max(0, n - mean) for n in occurrences) / total)


def test_no_occurrence_is_refused():
    with pytest.raises(ValueError, match="some occurrences"):
        hubness(np.zeros(3, dtype=np.int64), 2)


@given(
    arrays(np.float64, (9, 3), elements=st.floats(-1, 1)),
    st.lists(st.integers(0, 9), max_size=3),
    st.integers(1, 12),
)
def test_the_mean_of_the_nearest_is_that_of_the_sorted_bank(scores, cuts, k):
    blocks = [block for block in np.split(scores, sorted(cuts)) if len(block)]
    wanted = [np.mean(sorted(column)[::-1][:k]) for column in scores.T]
    np.testing.assert_allclose(mean_of_nearest(blocks, k), wanted, atol=1e-12)


def test_an_empty_bank_is_refused():
    with pytest.raises(ValueError, match="at least one query"):
        mean_of_nearest([np.empty((0, 2))], 3)


def test_csls_takes_from_a_label_what_it_scores_anyway():
    scores = np.array([[0.9, 0.5], [0.80, 0.75]])
    means = mean_of_nearest([scores], 1)
    assert means.tolist() == [0.9, 0.75]
    found = csls(scores, means)
    # Less the r_T of the second query, 0.8, these are -0.10 and -0.05.
    np.testing.assert_allclose(found[1] - 0.8, [-0.10, -0.05])
    assert scores[1].argmax() == 0
    assert found[1].argmax() == 1


@given(st.integers(1, 5), st.integers(0, 7), st.integers(1, 3))
def test_blocks_of_items_have_the_means_of_all_at_once(bank, items, k):
    rng = np.random.default_rng(bank * 10 + items)
    left, right = rng.standard_normal((bank, 4)), rng.standard_normal((items, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hubness_module, "ITEMS_AT_ONCE", 3)
        found = nearest_means(left, right, k)
    wanted = [np.mean(sorted(left @ item)[-k:]) for item in right]
    assert found == pytest.approx(wanted)
