import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.lsh import matching
from devise_lib.lsh.matching import Members, best_distinct, compact, mixed, nearest

NUMBERS = st.floats(-1, 1, width=32)


@given(arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 4)), elements=NUMBERS))
def test_copies_are_wrong_by_half_of_the_scale_at_most(vectors):
    copies, scales = compact(vectors)
    assert (copies.dtype, copies.shape, scales.shape) == (np.int8, vectors.shape, (len(vectors),))
    wrong = np.abs(copies * scales[:, None].astype(float) - vectors)
    assert (wrong <= scales[:, None] * 0.5001 + 1e-7).all()


def test_mixed_keys_are_spread_evenly_and_depend_on_the_seed():
    keys = np.arange(-5_000, 5_000)
    found = mixed(keys, 3)
    assert len(np.unique(found)) == len(keys)
    counts = np.bincount((found >> np.uint64(60)).astype(int), minlength=16)
    assert abs(counts - 625).max() < 120  # five standard deviations
    assert (found != mixed(keys, 4)).all()
    assert (found == mixed(keys, 3)).all()


def members(draw, n, d, keys):
    copies = draw(arrays(np.int8, (n, d), elements=st.integers(-3, 3)))
    scales = draw(arrays(np.float32, n, elements=st.sampled_from([0.25, 0.5])))
    return Members(np.array(keys, np.int64), copies, scales)


@st.composite
def groups(draw):
    d = draw(st.integers(1, 3))
    keys = draw(st.lists(st.integers(-9, 9), unique=True, max_size=9))
    own = draw(st.lists(st.sampled_from(range(-9, 10)), unique=True, max_size=5))
    return members(draw, len(own), d, own), members(draw, len(keys), d, keys)


@settings(max_examples=200)
@given(groups(), st.integers(1, 10), st.integers(1, 4))
def test_the_nearest_are_those_of_all_comparisons(case, k, at_once):
    queries, candidates = case
    wanted = []
    for place, (key, copy, scale) in enumerate(
        zip(queries.keys, queries.copies, queries.scales, strict=True)
    ):
        scores = [
            (-float(int(copy.astype(int) @ other.astype(int)) * s * scale), int(c))
            for c, other, s in zip(
                candidates.keys, candidates.copies, candidates.scales, strict=True
            )
            if c != key
        ]
        wanted += [(place, c, -score) for score, c in sorted(scores)[:k]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "QUERIES_AT_ONCE", at_once)
        places, keys, scores = nearest(queries, candidates, k)
    found = zip(places.tolist(), keys.tolist(), scores.tolist(), strict=True)
    assert list(found) == wanted


def test_a_sample_depends_on_neither_order_nor_company():
    rng = np.random.default_rng(0)
    keys = rng.permutation(1_000)
    all_of = Members(keys, rng.integers(-9, 9, (1_000, 2), np.int8), np.ones(1_000, np.float32))
    chosen = all_of.sample(100, seed=1)
    assert len(chosen.keys) == 100
    again = all_of.take(rng.permutation(1_000)).sample(100, seed=1)
    assert set(again.keys.tolist()) == set(chosen.keys.tolist())
    kept = np.isin(keys, chosen.keys) | (keys < 500)
    some = all_of.take(kept).sample(100, seed=1)
    assert set(some.keys.tolist()) == set(chosen.keys.tolist())
    assert set(all_of.sample(100, seed=2).keys.tolist()) != set(chosen.keys.tolist())
    assert all_of.sample(1_000, seed=1) is all_of


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from([0.1, 0.2, 0.3]))),
    st.integers(1, 4),
)
def test_the_best_distinct_candidates_of_each_query_are_kept(pairs, k):
    columns = list(zip(*pairs, strict=True)) or [(), (), ()]
    types = (np.int64, np.int64, np.float32)
    arrays_of = [np.array(c, t) for c, t in zip(columns, types, strict=True)]
    found = list(zip(*(a.tolist() for a in best_distinct(*arrays_of, k)), strict=True))
    best = {}
    for query, candidate, score in zip(*(a.tolist() for a in arrays_of), strict=True):
        best[query, candidate] = max(best.get((query, candidate), 0), score)
    wanted = []
    for query in range(4):
        mine = sorted((-s, c) for (q, c), s in best.items() if q == query)
        wanted += [(query, c, -s) for s, c in mine[:k]]
    assert found == wanted
