import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.report.parts.quantized import STEPS, encode_vectors, quantize


def cosines(queries, vectors):
    return l2_normalize(queries.astype(np.float64)) @ l2_normalize(vectors.astype(np.float64)).T


def greatest_error(vectors):
    """The most by which rounding turns a vector, as the length of the error on the unit sphere."""
    unit = l2_normalize(vectors.astype(np.float64))
    half_a_step = np.abs(unit).max(axis=1) / (2 * STEPS)
    return 2 * half_a_step * np.sqrt(vectors.shape[1])  # twice: the length changes as well


@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.integers(2, 60))
def test_no_cosine_is_wrong_by_more_than_rounding_can_turn_both_vectors(seed, d, n):
    rng = np.random.default_rng(seed)
    queries, vectors = (rng.normal(size=(size, d)).astype(np.float32) for size in (3, n))
    wrong = np.abs(cosines(quantize(queries), quantize(vectors)) - cosines(queries, vectors))
    assert np.all(wrong <= greatest_error(queries)[:, None] + greatest_error(vectors) + 1e-9)


@pytest.mark.parametrize("d", [64, 100, 300])
def test_the_first_twelve_photos_of_a_word_are_nearly_always_those_of_float32(d):
    """Photos lie in groups around labels, so that many cosines are close to one another."""
    rng = np.random.default_rng(d)
    labels = l2_normalize(rng.normal(size=(50, d)))
    photos = l2_normalize(labels[np.arange(500) % 50] + rng.normal(0, 0.5 / np.sqrt(d), (500, d)))
    words = l2_normalize(labels[rng.integers(0, 50, 300)] + rng.normal(0, 1 / np.sqrt(d), (300, d)))
    exact = np.argsort(-cosines(words, photos), axis=1)[:, :12]
    rounded = np.argsort(-cosines(quantize(words), quantize(photos)), axis=1)[:, :12]
    shared = [len({*a} & {*b}) / 12 for a, b in zip(exact.tolist(), rounded.tolist(), strict=True)]
    assert np.mean(shared) > 0.98
    assert np.min(shared) >= 0.8


def test_zeros_stay_zeros_and_the_greatest_number_is_the_last_step():
    found = quantize(np.array([[0.0, 0.0], [0.5, -0.25], [-1e-30, 0.0]]))
    np.testing.assert_array_equal(found, [[0, 0], [127, -64], [-127, 0]])
    assert found.dtype == np.int8


def test_the_bytes_are_the_rows_one_after_another():
    text = encode_vectors(np.array([[1.0, -1.0], [0.5, 1.0]], np.float32))
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(text), np.int8), [127, -127, 64, 127]
    )


def test_no_vector_is_no_byte():
    assert encode_vectors(np.empty((0, 7), np.float32)) == ""
