from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.lsh.hashing import codes_of
from devise_lib.lsh.probes import flip_sets, probe_codes, probe_ranges


def costs_of(values, sets):
    return [sum(values[bit] for bit in each) for each in sets]


def test_the_order_of_three_bits():
    found = list(flip_sets(np.array([1.0, 2.0, 4.0])))
    wanted = [(), (0,), (1,), (0, 1), (2,), (0, 2), (1, 2), (0, 1, 2)]
    assert [tuple(sorted(bits)) for bits, _ in found] == wanted
    assert [cost for _, cost in found] == list(range(8))


@given(arrays(np.float64, st.integers(0, 7), elements=st.integers(0, 50).map(float)))
def test_sets_come_in_the_order_of_brute_force_and_none_comes_twice(values):
    found = list(flip_sets(values))
    every = [s for size in range(len(values) + 1) for s in combinations(range(len(values)), size)]
    assert sorted(tuple(sorted(bits)) for bits, _ in found) == sorted(every)
    costs = [cost for _, cost in found]
    assert costs == sorted(costs_of(values, every))
    assert costs == costs_of(values, [bits for bits, _ in found])


@given(
    arrays(
        np.float64, st.integers(1, 6), elements=st.floats(-2, 2).filter(lambda m: abs(m) > 0.01)
    ),
)
def test_probes_are_codes_by_the_squares_of_the_margins_of_flipped_bits(margins):
    found = list(probe_codes(margins))
    bits = len(margins)
    own = int(codes_of(margins[None, None])[0, 0])
    cost = {
        code: sum(m**2 for i, m in enumerate(margins) if (code ^ own) >> (bits - 1 - i) & 1)
        for code in range(2**bits)
    }
    assert sorted(found) == list(range(2**bits))
    assert found[0] == own
    np.testing.assert_allclose([cost[code] for code in found], sorted(cost.values()))


@given(
    arrays(np.float64, 6, elements=st.floats(0.01, 2) | st.floats(-2, -0.01)),
    st.sets(st.integers(1, 63), max_size=12),
    st.integers(1, 14),
)
def test_as_many_ranges_are_probed_as_are_wanted_the_most_promising_ones(margins, cuts, probes):
    starts = np.array([0, *sorted(cuts)])
    found = probe_ranges(starts, margins, probes).tolist()
    wanted: list[int] = []
    for code in probe_codes(margins):
        at = int(np.searchsorted(starts, code, side="right")) - 1
        if at not in wanted and len(wanted) < probes:
            wanted.append(at)
    assert found == sorted(wanted)
    assert len(found) == min(probes, len(starts))


def test_no_more_codes_are_tried_than_some_per_range():
    """Three bits are far, so all near codes are in one range of the 2^20."""
    margins = np.array([9.0, 9.0, 9.0, *[0.01] * 17])
    starts = np.arange(8) << 17
    assert probe_ranges(starts, margins, 2).tolist() == [7]
