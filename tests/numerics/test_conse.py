import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.conse import conse, softmax
from devise_lib.numerics.vectors import l2_normalize


@st.composite
def predictions(draw):
    """Probabilities (n, m) without ties, class vectors (m, d) some of them zeros, and t."""
    n, m, d = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    ranks = [draw(st.permutations(range(1, m + 1))) for _ in range(n)]
    probabilities = np.array(ranks, dtype=np.float64) / sum(range(1, m + 1))
    vectors = draw(arrays(np.float64, (m, d), elements=st.integers(-3, 3).map(float)))
    known = draw(arrays(np.bool_, m))
    return probabilities, l2_normalize(vectors) * known[:, None], draw(st.integers(1, 8))


def by_hand(probabilities, class_vectors, t):
    """Class after class, the likeliest first, those without a vector passed over."""
    rows = []
    for p in probabilities:
        known = [c for c in np.argsort(-p) if np.linalg.norm(class_vectors[c]) > 0]
        total = np.zeros(class_vectors.shape[1])
        for c in known[:t]:
            total += p[c] * class_vectors[c]
        rows.append(total)
    return np.array(rows)


@given(predictions())
def test_is_the_mean_of_the_likeliest_classes_that_have_a_vector(prediction):
    wanted = by_hand(*prediction)
    clear = np.linalg.norm(wanted, axis=1) > 1e-6  # opposite vectors cancel to rounding errors
    found = conse(*prediction)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[clear], l2_normalize(wanted)[clear], atol=1e-4)


def test_two_classes_in_the_shares_of_their_probabilities():
    lion, tiger, mouse = np.eye(3)
    embedded = conse(np.array([[0.6, 0.4, 0.0]]), np.stack([lion, tiger, mouse]), t=2)
    np.testing.assert_allclose(embedded, [(0.6 * lion + 0.4 * tiger) / np.hypot(0.6, 0.4)])


def test_one_class_is_its_vector_whatever_its_probability():
    p = np.array([[0.2, 0.5, 0.3]])
    np.testing.assert_allclose(conse(p, np.eye(3), t=1), [[0, 1, 0]])


def test_a_likely_class_without_a_vector_leaves_its_place_to_the_next():
    vectors = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(conse(np.array([[0.8, 0.15, 0.05]]), vectors, t=1), [[1, 0]])


def test_no_class_with_a_vector_gives_zeros():
    assert conse(np.array([[0.5, 0.5]]), np.zeros((2, 3)), t=2).tolist() == [[0, 0, 0]]


logits = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-30, 30)
)


@given(logits, st.floats(-1e4, 1e4))
def test_softmax_is_exponentials_over_their_sum_and_a_shift_changes_nothing(values, shift):
    wanted = np.array([np.exp(row) / np.exp(row).sum() for row in values])
    np.testing.assert_allclose(softmax(values), wanted, rtol=1e-9)
    np.testing.assert_allclose(softmax(values + shift), wanted, rtol=1e-6)


def test_softmax_of_large_logits_does_not_overflow():
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0]])), [[1.0, 0.0]])
