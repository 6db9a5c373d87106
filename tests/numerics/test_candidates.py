import numpy as np
import pytest

from devise_lib.numerics.candidates import (
    ByConse,
    BySoftmax,
    ByWords,
    CandidateSet,
    SoftmaxLayer,
)
from devise_lib.numerics.conse import conse, softmax
from devise_lib.numerics.linear import Affine, Compatibility, Projection
from devise_lib.numerics.vectors import l2_normalize

RNG = np.random.default_rng(11)
FEATURES = RNG.standard_normal((7, 5)).astype(np.float32)


def units(*shape):
    return l2_normalize(RNG.standard_normal(shape).astype(np.float32))


CANDIDATES = CandidateSet(
    ["ant", "bee", "cat"], np.array([True, False, True]), units(3, 4), units(3, 4)
)
LAYER = SoftmaxLayer(
    RNG.standard_normal((5, 3)).astype(np.float32),
    RNG.standard_normal(3).astype(np.float32),
    ["cat", "dog", "ant"],
)


def test_labels_have_their_places():
    assert CANDIDATES.place == {"ant": 0, "bee": 1, "cat": 2}


@pytest.mark.parametrize("control", [False, True])
def test_by_words_are_cosines_with_the_vectors_or_the_controls(control):
    matrix = RNG.standard_normal((4, 5)).astype(np.float32)
    layer = Affine(matrix, np.zeros(4, dtype=np.float32))
    method = ByWords(Compatibility(Projection((layer,))), control)
    vectors = CANDIDATES.control_vectors if control else CANDIDATES.vectors
    wanted = l2_normalize(FEATURES @ matrix.T) @ vectors.T
    np.testing.assert_allclose(method.scores(FEATURES, CANDIDATES), wanted, atol=1e-5)


def test_the_softmax_can_name_its_own_classes_alone():
    scores = BySoftmax(LAYER).scores(FEATURES, CANDIDATES)
    probabilities = softmax(FEATURES @ LAYER.kernel + LAYER.bias)
    np.testing.assert_allclose(scores[:, 0], probabilities[:, 2])
    np.testing.assert_allclose(scores[:, 2], probabilities[:, 0])
    assert np.isneginf(scores[:, 1]).all()


def test_the_vectors_of_classes_are_those_of_their_labels():
    vectors = {"cat": np.array([1, 2], np.float32), "owl": np.array([3, 4], np.float32)}
    layer = SoftmaxLayer(LAYER.kernel, LAYER.bias, ["owl", "dog", "cat"])
    np.testing.assert_array_equal(layer.class_vectors(vectors), [[3, 4], [0, 0], [1, 2]])
    none = SoftmaxLayer(LAYER.kernel[:, :0], LAYER.bias[:0], [])
    assert none.class_vectors(vectors).shape == (0, 2)


def test_conse_is_the_cosine_with_its_embedding():
    class_vectors = units(3, 4)
    class_vectors[1] = 0.0  # dog has no vector
    scores = ByConse(LAYER, class_vectors, 2).scores(FEATURES, CANDIDATES)
    probabilities = softmax(FEATURES @ LAYER.kernel + LAYER.bias)
    wanted = conse(probabilities, class_vectors, 2) @ CANDIDATES.vectors.T
    np.testing.assert_allclose(scores, wanted, atol=1e-6)
