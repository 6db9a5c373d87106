import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.spherical_kmeans import spherical_kmeans


def test_groups_that_lie_apart_are_found():
    rng = np.random.default_rng(0)
    axes = np.eye(6)[:3]
    group = np.repeat([0, 1, 2], [5, 9, 3])
    vectors = l2_normalize(axes[group] + 0.1 * rng.standard_normal((17, 6)))
    centres, numbers = spherical_kmeans(vectors, 3, seed=0)
    assert len(centres) == 3
    assert {(int(a), int(b)) for a, b in zip(group, numbers, strict=True)} == {
        (int(g), int(numbers[group == g][0])) for g in range(3)
    }


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 99))
def test_a_result_is_a_fixed_point_in_which_every_centre_has_vectors(n, k, seed):
    vectors = l2_normalize(np.random.default_rng(seed).standard_normal((n, 4)))
    centres, numbers = spherical_kmeans(vectors, k, seed)
    assert 1 <= len(centres) <= min(n, k)
    assert set(numbers.tolist()) == set(range(len(centres)))
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1)
    assert np.array_equal((vectors @ centres.T).argmax(axis=1), numbers)
    for number, centre in enumerate(centres):
        mean = vectors[numbers == number].sum(axis=0)
        np.testing.assert_allclose(centre, mean / np.linalg.norm(mean), atol=1e-9)


def test_copies_share_a_centre():
    centres, numbers = spherical_kmeans(np.tile([[0.6, 0.8]], (5, 1)), 3, seed=0)
    assert (len(centres), numbers.tolist()) == (1, [0] * 5)


@pytest.mark.parametrize(("shape", "k"), [((0, 3), 1), ((3,), 1), ((2, 3), 0)])
def test_what_cannot_be_grouped_is_refused(shape, k):
    with pytest.raises(ValueError, match="want vectors"):
        spherical_kmeans(np.ones(shape), k, 0)
