import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.errors import InputError
from devise_lib.search import tagging
from devise_lib.search.tagging import best_labels


@st.composite
def problems(draw):
    """embeddings (n, d), label vectors (m, d), k; small whole numbers, so that many scores tie."""
    n, m, d, k = (draw(st.integers(0, 7)), *(draw(st.integers(1, 7)) for _ in "mdk"))
    numbers = st.integers(-2, 2)
    embeddings = draw(arrays(np.float32, (n, d), elements=numbers))
    return embeddings, draw(arrays(np.float32, (m, d), elements=numbers)), k


def sort_every_row(embeddings, label_vectors, k):
    """The obvious way: every score, sorted by falling score and then by label."""
    rows = []
    for photo in embeddings:
        scores = [(-float(photo @ label), place) for place, label in enumerate(label_vectors)]
        rows.append([(place, -score) for score, place in sorted(scores)[:k]])
    return rows


@given(problems())
def test_is_the_sorted_list_cut_at_k(problem):
    indices, scores = best_labels(*problem)
    want = sort_every_row(*problem)
    width = min(problem[2], len(problem[1]))
    assert indices.shape == scores.shape == (len(problem[0]), width)
    assert indices.tolist() == [[place for place, _ in row] for row in want]
    assert scores.tolist() == [[score for _, score in row] for row in want]


@given(problems(), st.integers(1, 20))
def test_does_not_depend_on_how_many_scores_are_held_at_once(problem, at_once):
    whole = best_labels(*problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagging, "SCORES_AT_ONCE", at_once)
        pieces = best_labels(*problem)
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a, b)


def test_labels_with_the_same_vector_tie_wherever_they_stand():
    rng = np.random.default_rng(0)
    vector = rng.normal(size=(1, 37)).astype(np.float32)
    labels = np.concatenate([rng.normal(size=(13, 37)) - 9 * vector] + [vector] * 5).astype("f4")
    indices, scores = best_labels(np.repeat(vector, 11, axis=0), labels, 5)
    assert indices.tolist() == [[13, 14, 15, 16, 17]] * 11
    assert len(np.unique(scores)) == 1


@pytest.mark.parametrize(
    ("embeddings", "labels", "k", "message"),
    [
        (np.ones(3), np.ones((2, 3)), 1, r"got \(3,\), \(2, 3\), k 1"),
        (np.ones((1, 3)), np.ones((2, 3)), 0, "k >= 1"),
        (np.ones((1, 3)), np.ones((2, 4)), 1, "3 dimensions and label vectors 4: the model was"),
        (np.full((1, 3), np.nan), np.ones((2, 3)), 1, "some have NaN"),
    ],
)
def test_says_what_does_not_fit(embeddings, labels, k, message):
    with pytest.raises(InputError, match=message):
        best_labels(embeddings, labels, k)
