import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.relevance import area_under_curve, chance_ndcg, rank_measures


def measures(gains, relevant, best=None):
    gains = np.array([gains], float)
    best = np.array([best], float) if best is not None else -np.sort(-gains)
    found = rank_measures(gains, np.array([relevant]), best)
    return {name: float(values[0]) for name, values in vars(found).items()}


def test_a_list_by_hand():
    """Four items are relevant, and three of them are among the first five."""
    found = measures([1, 0, 1, 1, 0], 4, [1, 1, 1, 1, 0])
    assert found["precision"] == pytest.approx(0.6)
    assert found["recall"] == pytest.approx(0.75)
    assert found["average_precision"] == pytest.approx(0.604167, abs=1e-6)
    assert found["ndcg"] == pytest.approx(1.930677 / 2.561606, abs=1e-6)
    assert found["reciprocal_rank"] == 1.0


def by_the_words(gains, relevant, best):
    k = len(gains)
    hits = [g > 0 for g in gains]
    precisions = [sum(hits[: i + 1]) / (i + 1) for i in range(k) if hits[i]]

    def dcg(values):
        return sum((2**g - 1) / math.log2(i + 2) for i, g in enumerate(values))

    return {
        "precision": sum(hits) / k,
        "recall": sum(hits) / relevant,
        "average_precision": sum(precisions) / min(relevant, k),
        "ndcg": dcg(gains) / dcg(best),
        "reciprocal_rank": 1 / (hits.index(True) + 1) if any(hits) else 0.0,
    }


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 12), st.randoms())
def test_measures_are_what_their_words_say(every, k, random):
    every = [*every, 1]
    shown = random.sample(every, len(every))[:k]
    k = len(shown)
    best = sorted(every, reverse=True)[:k]
    relevant = sum(g > 0 for g in every)
    found = measures(shown, relevant, best)
    assert found == pytest.approx(by_the_words(shown, relevant, best))
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in found.values())
    assert measures(best, relevant, best)["ndcg"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("shape", "relevant", "best"),
    [((2, 3), [1], (2, 3)), ((2, 3), [1, 1], (2, 2)), ((3,), [1], (3,))],
)
def test_shapes_that_do_not_agree_are_refused(shape, relevant, best):
    with pytest.raises(ValueError, match="want gains and best gains"):
        rank_measures(np.zeros(shape), np.array(relevant), np.zeros(best))


def test_a_list_without_anything_relevant_is_refused():
    with pytest.raises(ValueError, match="something relevant"):
        rank_measures(np.zeros((1, 2)), np.array([0]), np.zeros((1, 2)))


@given(
    arrays(np.float64, 9, elements=st.integers(0, 4).map(float)),
    arrays(np.bool_, 9).filter(lambda p: 0 < p.sum() < 9),
)
def test_the_area_is_the_share_of_pairs_in_the_right_order(scores, positive):
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a in scores[positive]
        for b in scores[~positive]
    ]
    assert area_under_curve(scores, positive) == pytest.approx(np.mean(pairs))


def test_an_area_wants_both_kinds():
    with pytest.raises(ValueError, match="both kinds"):
        area_under_curve(np.zeros(2), np.ones(2, bool))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4), st.integers(1, 5))
def test_the_chance_of_ndcg_is_the_mean_of_all_orders(gains, k):
    every = [*gains, 2]
    k = min(k, len(every))
    best = sorted(every, reverse=True)[:k]
    orders = [measures(order[:k], 1, best)["ndcg"] for order in itertools.permutations(every)]
    found = chance_ndcg(np.array([every, every], float), k)
    assert found == pytest.approx([np.mean(orders)] * 2)


@pytest.mark.parametrize(
    ("gains", "k"), [([[0.0, 0.0]], 1), ([[1.0]], 2), ([[1.0]], 0), ([1.0], 1)]
)
def test_no_chance_of_ndcg_where_nothing_is_relevant_or_k_is_out_of_range(gains, k):
    with pytest.raises(ValueError, match="something relevant for each list"):
        chance_ndcg(np.array(gains), k)
