import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.weighted_query import WeightedQuery


@given(st.integers(1, 6), st.integers(0, 99))
def test_contributions_sum_up_to_the_cosine(parts, seed):
    rng = np.random.default_rng(seed)
    vectors, weights = rng.standard_normal((parts, 8)), rng.uniform(-1, 1, parts)
    photos = l2_normalize(rng.standard_normal((4, 8)))
    query = WeightedQuery.of(vectors, weights)
    assert np.linalg.norm(query.vector) == pytest.approx(1, abs=1e-6)
    total = query.contributions(photos)
    assert total.shape == (4, parts)
    np.testing.assert_allclose(total.sum(axis=1), photos @ query.vector, atol=1e-5)


def test_an_unwanted_word_takes_away():
    query = WeightedQuery.of(np.array([[2.0, 0], [0, 3.0]]), np.array([1.0, -1.0]))
    found = query.contributions(np.array([[0.6, 0.8]]))
    np.testing.assert_allclose(found, [[0.6 / np.sqrt(2), -0.8 / np.sqrt(2)]])


@pytest.mark.parametrize(
    ("parts", "weights", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0), "want parts"),
        (np.eye(2), np.ones(3), "want parts"),
        (np.array([[1.0, 0], [2.0, 0]]), np.array([1.0, -1.0]), "cancel each other out"),
    ],
)
def test_what_makes_no_query_is_refused(parts, weights, message):
    with pytest.raises(InputError, match=message):
        WeightedQuery.of(parts, weights)
