from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.lsh.hashing import codes_of
from devise_lib.lsh.probes import flip_sets, probe_codes


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
    st.integers(1, 70),
)
def test_probes_are_codes_by_the_squares_of_the_margins_of_flipped_bits(margins, probes):
    found = probe_codes(margins, probes)
    bits = len(margins)
    own = int(codes_of(margins[None, None])[0, 0])
    cost = {
        code: sum(m**2 for i, m in enumerate(margins) if (code ^ own) >> (bits - 1 - i) & 1)
        for code in range(2**bits)
    }
    assert len(found) == len(set(found.tolist())) == min(probes, 2**bits)
    assert found[0] == own
    np.testing.assert_allclose([cost[c] for c in found.tolist()], sorted(cost.values())[:probes])
