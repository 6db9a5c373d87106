import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.vectors import random_unit_vector

D = 40
MANY = np.stack([random_unit_vector(f"label {i}", D, seed=3) for i in range(3_000)])


@given(st.text(), st.integers(1, 600), st.integers(0, 2**31 - 1))
def test_it_has_unit_norm_and_is_the_same_again(name, dimension, seed):
    vector = random_unit_vector(name, dimension, seed)
    assert (vector.shape, vector.dtype) == ((dimension,), np.float32)
    assert np.linalg.norm(vector.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    assert (vector == random_unit_vector(name, dimension, seed)).all()


def test_names_and_seeds_give_other_vectors():
    one = random_unit_vector("cat", D, 0)
    for other in (("cat", 1), ("cats", 0), ("Cat", 0), ("0 cat", 0), ("", 0)):
        assert abs(one @ random_unit_vector(other[0], D, other[1])) < 0.7
    assert (random_unit_vector("1 cat", D, 1) != random_unit_vector("cat", D, 11)).any()


def test_no_direction_is_preferred():
    """Uniform on the sphere: mean 0, covariance 1/d, and cosines of pairs about 0."""
    deviation = 1 / np.sqrt(len(MANY) * D)  # of the mean of a coordinate
    assert abs(MANY.mean(axis=0)).max() < 5 * deviation
    covariance = MANY.T @ MANY / len(MANY)
    np.testing.assert_allclose(covariance, np.eye(D) / D, atol=6 / (D * np.sqrt(len(MANY))))
    cosines = (MANY @ MANY.T)[np.triu_indices(len(MANY), 1)]
    assert abs(cosines.mean()) < 1e-3
    assert cosines.std() == pytest.approx(1 / np.sqrt(D), rel=0.02)
