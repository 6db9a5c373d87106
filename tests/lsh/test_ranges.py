import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.lsh.ranges import code_ranges, range_of


@st.composite
def counted(draw):
    """Distinct rising codes, their counts, and bits."""
    bits = draw(st.integers(1, 8))
    codes = sorted(draw(st.sets(st.integers(0, 2**bits - 1), min_size=1, max_size=40)))
    counts = draw(st.lists(st.integers(1, 9), min_size=len(codes), max_size=len(codes)))
    return np.array(codes, np.int64), np.array(counts, np.int64), bits


def sizes_of(starts, codes, counts):
    return np.bincount(range_of(starts, codes), weights=counts, minlength=len(starts))


@given(counted(), st.integers(1, 12), st.integers(0, 30))
def test_ranges_cover_all_codes_and_hold_neither_too_few_nor_too_many(case, least, more):
    codes, counts, bits = case
    most = least + more
    starts = code_ranges(codes, counts, bits, least, most)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert starts[-1] < 2**bits
    sizes = sizes_of(starts, codes, counts)
    assert sizes.sum() == counts.sum()
    assert sizes.min() >= min(least, counts.sum())
    assert sizes.max() <= max(most, counts.max()) + 2 * least


def test_dense_regions_have_longer_prefixes_than_sparse_ones():
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 2**10, 5_000)  # of 16 bits: the same first six
    sparse = rng.integers(2**15, 2**16, 500)
    codes, counts = np.unique(np.concatenate([dense, sparse]), return_counts=True)
    starts = code_ranges(codes, counts, 16, 10, 100)
    in_dense, in_sparse = starts[starts < 2**10], starts[starts >= 2**15]
    assert np.diff(in_dense).max() < 2**6
    assert np.diff(in_sparse).min() > 2**11
    assert (len(in_dense) > 40, len(in_sparse) > 4) == (True, True)
    sizes = sizes_of(starts, codes, counts)
    assert (sizes.min() >= 10, sizes.max() <= 120) == (True, True)


def test_one_code_that_too_many_have_is_a_range():
    starts = code_ranges(np.array([3, 9]), np.array([500, 40]), 4, 5, 50)
    assert starts.tolist() == [0, 8]


def test_a_few_vectors_are_one_range():
    assert code_ranges(np.array([0, 7]), np.array([2, 2]), 3, 10, 10).tolist() == [0]


def test_a_small_range_joins_the_one_that_shares_more_bits():
    """Codes 0..3 hold many, 4 and 5 two, 6 and 7 many: 4 and 5 go with 6 and 7."""
    codes = np.arange(8)
    counts = np.array([9, 9, 9, 9, 1, 1, 9, 9])
    starts = code_ranges(codes, counts, 3, 5, 20)
    assert (
        range_of(starts, np.array([4, 5, 6])).tolist() == [range_of(starts, np.array([6]))[0]] * 3
    )
