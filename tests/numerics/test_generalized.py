import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.generalized import (
    SeenUnseenCurve,
    best_penalty,
    harmonic_mean,
    per_class_means,
    seen_unseen_curve,
    turning_points,
)


def test_harmonic_mean_by_hand():
    assert harmonic_mean(0.6, 0.3) == pytest.approx(0.4)
    assert harmonic_mean(0.0, 0.0) == harmonic_mean(0.5, 0.0) == 0.0


def test_per_class_means_count_each_class_once():
    values, classes = np.array([1.0, 1.0, 1.0, 0.0]), np.array(["a", "a", "a", "b"])
    names, means = per_class_means(values, classes)
    assert (list(names), means.mean()) == (sorted(set(classes)), 0.5)
    assert per_class_means(values[:3], classes[:3])[1].mean() == 1.0


@st.composite
def scored_photos(draw):
    """Scores (n, m) of labels 0 to m - 1, which of these are seen, and the truth (n,)."""
    seen, unseen = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    m = seen + unseen
    truth = draw(st.lists(st.integers(0, m - 1), max_size=8))
    truth += [0, m - 1]  # some of both kinds
    grid = st.integers(-6, 6).map(lambda n: n / 4)
    scores = draw(arrays(np.float64, (len(truth), m), elements=grid))
    return scores, np.arange(m) < seen, np.array(truth)


def is_among_first(row, seen, own, gamma, k):
    """A rival of the same kind wins a tie; a seen label loses one to an unseen rival."""
    stacked = row - gamma * seen
    ahead = 0
    for j in range(len(row)):
        tie_lost = seen[j] == seen[own] or seen[own]
        ahead += j != own and (
            stacked[j] > stacked[own] or (tie_lost and stacked[j] == stacked[own])
        )
    return float(ahead < k)


@given(scored_photos(), st.integers(1, 4))
def test_the_curve_is_what_each_gamma_gives(photos, k):
    scores, seen, truth = photos
    turns = turning_points(scores, seen, truth, k)
    kinds = seen[truth]
    curve = seen_unseen_curve(turns, kinds, truth)
    finite = np.unique(turns[np.isfinite(turns)])
    gammas = [-9.0, *finite, *(finite + 0.125), 9.0]
    for gamma in gammas:
        hits = np.array(
            [
                is_among_first(row, seen, own, gamma, k)
                for row, own in zip(scores, truth, strict=True)
            ]
        )
        wanted = [
            per_class_means(hits[kinds == kind], truth[kinds == kind])[1].mean()
            for kind in (True, False)
        ]
        assert curve.at(np.array(gamma)) == pytest.approx(wanted)
    assert -1e-9 <= curve.area() <= 1.0 + 1e-9
    gamma, mean = best_penalty([curve])
    assert mean == pytest.approx(max(harmonic_mean(*curve.at(g)) for g in np.array(gammas)))
    assert harmonic_mean(*curve.at(np.array(gamma))) >= 0.95 * mean - 1e-12


def test_one_penalty_is_a_compromise_between_curves():
    gammas = np.array([-np.inf, 0.0, 1.0, 2.0])
    early = SeenUnseenCurve(gammas, np.array([1, 1, 0.5, 0.0]), np.array([0, 1, 1, 1.0]))
    late = SeenUnseenCurve(gammas, np.array([1, 1, 1, 0.0]), np.array([0, 0.4, 1, 1.0]))
    assert best_penalty([early]) == (0.5, 1.0)
    assert best_penalty([late]) == (1.5, 1.0)
    assert best_penalty([early, late]) == (1.5, pytest.approx((2 / 3 + 1) / 2))


def test_the_penalty_lies_in_the_middle_of_those_that_do_about_as_well():
    gammas = np.array([-np.inf, 0.0, 1.0, 2.0, 5.0, 6.0, 7.0])
    both = np.array([0.1, 0.77, 0.8, 0.78, 0.7, 0.79, 0.0])  # seen and unseen alike: their mean
    curve = SeenUnseenCurve(gammas, both, both)
    assert best_penalty([curve]) == (2.5, pytest.approx(0.8)), "0 to 5, not what comes behind 0.7"
    falling = SeenUnseenCurve(gammas[:3], np.array([0.8, 0.78, 0.1]), np.array([0.8, 0.78, 0.1]))
    assert best_penalty([falling])[0] == 0.0, "no penalty is as good: 1 before the steps' end"
    rising = SeenUnseenCurve(gammas[:3], np.array([0.1, 0.78, 0.8]), np.array([0.1, 0.78, 0.8]))
    assert best_penalty([rising])[0] == 0.0, "where the steps begin that have no end"


def test_the_area_of_a_perfect_method_is_one_and_of_one_that_never_is_right_zero():
    seen, names = np.array([True, True, False]), np.arange(3)
    assert seen_unseen_curve(np.array([1.0, 2.0, -3.0]), seen, names).area() == pytest.approx(1.0)
    never = np.array([-np.inf, -np.inf, np.inf])
    assert seen_unseen_curve(never, seen, names).area() == 0.0


def test_photos_of_one_kind_have_no_curve():
    with pytest.raises(ValueError, match="seen and of unseen"):
        seen_unseen_curve(np.ones(2), np.full(2, True), np.arange(2))


def test_a_sample_of_a_curve_has_its_ends_and_no_more_points_than_asked():
    seen, unseen = np.linspace(1, 0, 100), np.linspace(0, 0.5, 100)
    curve = SeenUnseenCurve(np.r_[-np.inf, np.arange(99.0)], seen, unseen)
    found = np.array(curve.sample(12))
    assert found.shape == (2, 12)
    assert found[:, [0, -1]].tolist() == [[1.0, 0.0], [0.0, 0.5]]
    assert np.abs(np.diff(found[0]) + 1 / 11).max() < 0.02, "evenly"
    few = SeenUnseenCurve(np.array([-np.inf, 0.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert [values.tolist() for values in few.sample(12)] == [[1.0, 0.0], [0.0, 1.0]]
