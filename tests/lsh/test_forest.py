import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.lsh.forest import Forest


@st.composite
def codes_and_query(draw):
    bits, tables, n = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 30))
    values = st.integers(0, 2**bits - 1)
    codes = draw(arrays(np.int64, (n, tables), elements=values))
    return codes, draw(arrays(np.int64, tables, elements=values)), bits


def common_prefix(a, b, bits):
    return next(r for r in range(bits, -1, -1) if a >> (bits - r) == b >> (bits - r))


@given(codes_and_query(), st.integers(1, 40))
def test_candidates_are_all_that_share_the_longest_prefix_that_gives_enough(case, least):
    codes, query, bits = case
    found = Forest.of(codes, bits).candidates(query, least)
    depths = [
        max(common_prefix(int(a), int(b), bits) for a, b in zip(row, query, strict=True))
        for row in codes
    ]
    depth = next(r for r in range(bits, -1, -1) if sum(d >= r for d in depths) >= least or r == 0)
    assert found.tolist() == [row for row, d in enumerate(depths) if d >= depth]
    assert len(found) >= min(least, len(codes))
    in_bucket = np.flatnonzero((codes == query).any(axis=1))
    assert set(in_bucket.tolist()) <= set(found.tolist())
