import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.diversity import choose_diverse


def by_the_words(scores, embeddings, k, relevance):
    chosen, left = [], list(range(len(scores)))
    while left and len(chosen) < k:

        def value(i):
            near = max((float(embeddings[i] @ embeddings[j]) for j in chosen), default=0.0)
            return relevance * scores[i] - (1 - relevance) * near

        best = max(left, key=lambda i: (round(value(i), 12), -i))
        chosen.append(best)
        left.remove(best)
    return chosen


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 10), st.integers(0, 99))
def test_choices_are_those_of_the_formula(n, k, tenths, seed):
    rng = np.random.default_rng(seed)
    embeddings, scores = l2_normalize(rng.standard_normal((n, 3))), rng.standard_normal(n)
    found = choose_diverse(scores, embeddings, k, tenths / 10)
    assert found.tolist() == by_the_words(scores, embeddings, k, tenths / 10)


def test_a_copy_comes_after_another_photo_unless_the_score_alone_counts():
    embeddings = np.array([[1.0, 0], [1, 0], [0, 1]])
    scores = np.array([0.9, 0.8, 0.5])
    assert choose_diverse(scores, embeddings, 3, 0.5).tolist() == [0, 2, 1]
    assert choose_diverse(scores, embeddings, 3, 1.0).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("scores", "k", "relevance", "message"),
    [
        (np.ones(2), 1, 0.5, "want scores"),
        (np.ones(3), 0, 0.5, "want scores"),
        (np.ones(3), 1, 1.5, "relevance is 1.5"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(scores, k, relevance, message):
    with pytest.raises(InputError, match=message):
        choose_diverse(scores, np.eye(3), k, relevance)
