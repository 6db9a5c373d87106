import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.paired import compare_labels, paired_difference

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
    assert not (found.is_clear and paired_difference(*zip(*turned, strict=True)).is_clear)


def test_a_lead_within_its_standard_error_is_not_clear():
    """By hand: differences 0.3, 0.1, -0.1 have the mean 0.1 and the standard error 0.1155."""
    found = paired_difference([0.5, 0.3, 0.1], [0.2, 0.2, 0.2])
    assert (found.mean, found.error) == pytest.approx((0.1, 0.2 / 3**0.5))
    assert not found.is_clear
    assert paired_difference([0.5, 0.4, 0.3], [0.2, 0.2, 0.2]).is_clear
    assert not paired_difference([0.5, 0.5], [0.5, 0.5]).is_clear


def test_one_pair_is_never_clear_and_no_pair_or_no_number_is_refused():
    assert not paired_difference([1.0], [0.0]).is_clear
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
    assert (found.pairs, found.mean) == (3, pytest.approx(0.1))
    more = {0: {**same[0], "fox": 0.0}, 3: {"dog": 1.0}}
    found = compare_labels(more, old)
    assert (found.pairs, found.mean) == (2, pytest.approx(0.15)), "fold 3 lacks the elk"
    assert compare_labels({3: {"dog": 1.0}}, old) is None
    assert compare_labels({1: same[0]}, old) is None
    assert compare_labels({0: dict.fromkeys("abc")}, {0: dict.fromkeys("abc")}) is None
