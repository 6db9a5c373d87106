import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from devise_lib.numerics.paired import compare_labels, paired_difference, t_quantile

NUMBERS = st.floats(-1e3, 1e3)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=30)


@given(PAIRS)
def test_mean_and_error_are_those_of_the_textbook(pairs):
    found = paired_difference(*zip(*pairs, strict=True))
    differences = [one - other for one, other in pairs]
    assert found.pairs == len(pairs)
    assert found.mean == pytest.approx(statistics.fmean(differences), abs=1e-9)
    error = statistics.stdev(differences) / math.sqrt(len(pairs))
    assert found.error == pytest.approx(error, abs=1e-9)


@given(PAIRS, NUMBERS)
def test_what_moves_both_of_a_pair_changes_nothing_and_exchanging_them_the_sign_alone(pairs, by):
    found = paired_difference(*zip(*pairs, strict=True))
    moved = [(one + by, other + by) for one, other in pairs]
    turned = [(other, one) for one, other in pairs]
    for others, sign in ((moved, 1), (turned, -1)):
        same = paired_difference(*zip(*others, strict=True))
        assert same.mean == pytest.approx(sign * found.mean, abs=1e-6)
        assert same.error == pytest.approx(found.error, abs=1e-6)


def test_the_bound_of_a_mean_by_hand():
    """Differences 0.3, 0.1, -0.1: mean 0.1, standard error 0.1155, t(95 %, 2) = 2.92."""
    found = paired_difference([0.5, 0.3, 0.1], [0.2, 0.2, 0.2])
    assert (found.mean, found.error) == pytest.approx((0.1, 0.2 / 3**0.5))
    assert found.bound == pytest.approx(2.92 * 0.2 / 3**0.5, abs=1e-4)


@pytest.mark.parametrize("freedom", [*range(1, 12), 20, 47, 300, 10_000])
def test_quantiles_are_those_of_students_distribution(freedom):
    assert t_quantile(freedom) == pytest.approx(student.ppf(0.95, freedom), abs=1e-3)


def compared(*folds):
    """The comparison of a model that is ahead by these differences, a row per fold."""
    old = {place: {str(x): 0.3 for x in range(len(leads))} for place, leads in enumerate(folds)}
    new = {
        place: {str(x): 0.3 + lead for x, lead in enumerate(leads)}
        for place, leads in enumerate(folds)
    }
    return compare_labels(new, old)


SPREAD = np.array([-0.1, -0.05, 0.0, 0.05, 0.1])


@pytest.mark.parametrize(("part", "clear"), [(0.95, False), (1.05, True)])
def test_a_lead_is_clear_from_the_bound_of_a_t_test_over_labels_and_over_folds(part, clear):
    """The kind of fault: a threshold that no test holds, so another one would pass as well.

    The spread is that of labels with one fold. In the other case it is that of folds, whose labels
    all lead by as much.
    """
    of_labels = student.ppf(0.95, 4) * SPREAD.std(ddof=1) / 5**0.5
    assert compared(SPREAD + part * of_labels).is_clear is clear
    means = np.array([-0.02, 0.0, 0.02])
    of_folds = student.ppf(0.95, 2) * means.std(ddof=1) / 3**0.5
    assert compared(*[np.full(5, mean + part * of_folds) for mean in means]).is_clear is clear


def test_few_labels_and_what_rounding_leaves_show_nothing():
    """The kind of fault: no spread, as of two labels, taken for certainty."""
    assert not compared([0.01, 0.01]).is_clear
    assert not compared([0.4] * 4).is_clear
    assert compared([0.4] * 5).is_clear
    assert not compared([5.6e-17] * 8).is_clear
    assert not compared([5.6e-17] * 8, [5.6e-17] * 8).is_clear
    assert not compared([0.0] * 8).is_clear


@pytest.mark.parametrize(
    ("folds", "of_fold", "common", "most"),
    [
        *[(1, 5, 0.0, 0.07), (1, 10, 0.0, 0.07), (3, 8, 0.04, 0.06), (5, 10, 0.04, 0.06)],
        *[(1, 5, 0.04, 0.14), (1, 24, 0.04, 0.29)],  # which one fold cannot know
    ],
)
def test_models_that_are_equal_are_seldom_told_apart(folds, of_fold, common, most):
    """The kind of fault: a choice by chance. Of equal models one in four to six was promoted.

    Scores of labels differ by 0.08, and those of whole folds by `common`.
    """
    rng, runs = np.random.default_rng(3), 600
    leads = rng.normal(0, 0.08, (runs, folds, of_fold)) + rng.normal(0, common, (runs, folds, 1))
    assert np.mean([compared(*run).is_clear for run in leads]) <= most


def test_a_model_that_is_better_by_three_points_mostly_wins():
    """With the labels of the demo: 48 in five folds. By five points it nearly always does."""
    rng, runs = np.random.default_rng(3), 300
    spread = rng.normal(0, 0.08, (runs, 5, 10)) + rng.normal(0, 0.01, (runs, 5, 1))
    for gain, least in ((0.03, 0.55), (0.05, 0.9)):
        assert np.mean([compared(*run).is_clear for run in spread + gain]) >= least


def test_one_pair_has_no_bound_and_no_pair_or_no_number_is_refused():
    assert paired_difference([1.0], [0.0]).bound == math.inf
    for first, second in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError, match="of the same length, 1 at least"):
            paired_difference(first, second)
    with pytest.raises(ValueError, match="want finite numbers"):
        paired_difference([math.nan, 1.0], [1.0, 1.0])


def test_labels_are_compared_where_the_new_had_the_same_to_choose_from_or_more():
    """The kind of fault: scores of different questions, compared as if they were of the same."""
    old = {0: {"ant": 0.5, "bee": 0.1, "cow": None}, 3: {"dog": 0.9, "elk": 0.8}}
    same = {0: {"ant": 0.7, "bee": 0.2, "cow": 0.9}, 3: {"dog": 0.9, "elk": None}}
    found = compare_labels(same, old)
    assert (found.labels.pairs, found.labels.mean) == (3, pytest.approx(0.1))
    assert (found.folds.pairs, found.folds.mean) == (2, pytest.approx((0.15 + 0.0) / 2))
    more = {0: {**same[0], "fox": 0.0}, 3: {"dog": 1.0}}
    found = compare_labels(more, old)
    assert (found.labels.pairs, found.labels.mean) == (2, pytest.approx(0.15)), "3 lacks the elk"
    assert found.folds is None
    assert compare_labels({3: {"dog": 1.0}}, old) is None
    assert compare_labels({1: same[0]}, old) is None
    assert compare_labels({0: dict.fromkeys("abc")}, {0: dict.fromkeys("abc")}) is None
