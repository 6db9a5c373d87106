import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.galleries import best_of, gallery_queries


def some(n, d=5, seed=0):
    return l2_normalize(np.random.default_rng(seed).standard_normal((n, d))).astype(np.float32)


AXES = np.eye(4, dtype=np.float32)


def test_the_mean_of_the_members_less_a_part_of_the_others():
    found = gallery_queries(AXES[:2], AXES[2:3], negative_weight=0.5)
    wanted = np.array([0.5, 0.5, -0.5, 0]) / np.sqrt(0.75)
    np.testing.assert_allclose(found, [wanted], atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(gallery_queries(AXES[:2]), gallery_queries(AXES[:2], AXES[:0]))


def test_a_trimmed_mean_leaves_out_the_member_that_is_farthest_away():
    near = l2_normalize(AXES[[0] * 4] + 0.01 * some(4, 4))
    members = np.concatenate([near[:2], AXES[3:], near[2:]])
    np.testing.assert_allclose(
        gallery_queries(members, method="trimmed_mean", trimmed=0.2),
        gallery_queries(near),
        atol=1e-6,
    )
    # Of three members one is left out, whatever the share.
    few = gallery_queries(members[-3:], method="trimmed_mean", trimmed=0.01)
    pairs = [gallery_queries(members[-3:][list(pair)]) for pair in ((0, 1), (0, 2), (1, 2))]
    assert any(np.allclose(few, pair, atol=1e-6) for pair in pairs)
    untouched = gallery_queries(members, method="trimmed_mean", trimmed=0)
    np.testing.assert_array_equal(untouched, gallery_queries(members))
    two = gallery_queries(members[:2], method="trimmed_mean")
    np.testing.assert_array_equal(two, gallery_queries(members[:2]))


def test_a_method_that_is_unknown_is_refused():
    with pytest.raises(InputError, match="no method 'medain': want mean, trimmed_mean, medoid"):
        gallery_queries(some(3), method="medain")


def test_a_gallery_of_two_themes_has_a_centre_for_each():
    members = l2_normalize(AXES[[0, 0, 0, 2, 2]] + 0.05 * some(5, 4))
    found = gallery_queries(members, method="centroids", centroids=2)
    assert sorted(found.argmax(axis=1).tolist()) == [0, 2]
    assert best_of(found, AXES).argsort()[:2].tolist() in ([1, 3], [3, 1])
    assert len(gallery_queries(members[:1], method="centroids", centroids=3)) == 1


@given(st.integers(1, 8), st.integers(0, 50))
def test_the_medoid_is_the_member_with_the_greatest_sum_of_cosines(n, seed):
    members = some(n, seed=seed).astype(float)
    [found] = gallery_queries(members, method="medoid")
    sums = [sum(float(a @ b) for b in members) for a in members]
    best = [m for m, s in zip(members, sums, strict=True) if s >= max(sums) - 1e-6]
    assert any(np.allclose(found, each, atol=1e-5) for each in best)


@given(st.sampled_from(["mean", "trimmed_mean", "medoid"]), st.integers(0, 50))
def test_the_order_of_members_does_not_count(method, seed):
    members = some(6, seed=seed)
    order = np.random.default_rng(seed).permutation(6)
    np.testing.assert_allclose(
        gallery_queries(members, method=method),
        gallery_queries(members[order], method=method),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("members", "values", "message"),
    [
        (AXES[:0], {}, "at least one; got"),
        (AXES[0], {}, "at least one; got"),
        (AXES, {"others": np.ones((1, 3))}, r"do not belong \(m, 4\)"),
        (AXES, {"method": "trimmed_mean", "trimmed": 1.0}, "trimmed is 1.0"),
        (np.stack([AXES[0], -AXES[0]]), {}, "cancel each other out"),
    ],
)
def test_what_makes_no_query_is_refused(members, values, message):
    with pytest.raises(InputError, match=message):
        gallery_queries(members, **values)
