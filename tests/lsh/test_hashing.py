import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.lsh.fitting import make_hash
from devise_lib.lsh.hashing import SIGNATURE_BITS, Hash, hamming
from devise_lib.lsh.theory import angle_deviation, bit_agreement, collision_probability


def hash_of(dimension, bits=12, tables=2, seed=0):
    return make_hash("hyperplanes", dimension, bits, tables, seed, np.empty((0, dimension)))


def pairs_at(cosine, n, dimension, seed=0):
    """n pairs of unit vectors (n, d), (n, d) of one cosine, in random directions."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((n, dimension))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    other = rng.standard_normal((n, dimension))
    other -= np.sum(first * other, axis=1, keepdims=True) * first
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return first, cosine * first + math.sqrt(1 - cosine**2) * other


@st.composite
def hashed(draw):
    """A hash with thresholds, and vectors (n, d)."""
    n, d = draw(st.integers(0, 5)), draw(st.integers(1, 4))
    bits, tables = draw(st.sampled_from([1, 2, 7, 62])), draw(st.integers(1, 3))
    made = hash_of(d, bits, tables, draw(st.integers(0, 99)))
    thresholds = draw(arrays(np.float64, (tables, bits), elements=st.sampled_from([0.0, 0.3])))
    vectors = draw(arrays(np.float32, (n, d), elements=st.integers(-4, 4).map(float)))
    return Hash(made.planes, thresholds, made.signature_planes), vectors


def sides(vector, planes, thresholds):
    products = [sum(float(a) * float(b) for a, b in zip(vector, p, strict=True)) for p in planes]
    return [product > at for product, at in zip(products, thresholds, strict=True)]


@given(hashed())
def test_the_first_plane_gives_the_highest_bit_of_a_code(case):
    made, vectors = case
    found = made.codes(vectors)
    assert found.dtype == np.int64
    assert found.shape == (len(vectors), made.tables)
    for vector, codes in zip(vectors, found.tolist(), strict=True):
        for table, code in enumerate(codes):
            side = sides(vector, made.planes[table], made.thresholds[table])
            assert code == int("".join("1" if up else "0" for up in side), 2)


@given(hashed())
def test_word_j_of_a_signature_has_bit_i_of_plane_64_j_plus_i(case):
    made, vectors = case
    found = made.signatures(vectors)
    assert (found.dtype, found.shape) == (np.int64, (len(vectors), 4))
    for vector, words in zip(vectors, found.tolist(), strict=True):
        side = sides(vector, made.signature_planes, [0.0] * SIGNATURE_BITS)
        assert [bool(words[i // 64] >> (i % 64) & 1) for i in range(SIGNATURE_BITS)] == side


@given(hashed())
def test_a_hash_is_the_same_after_its_file(case):
    made, vectors = case
    content = made.to_bytes()
    again = Hash.from_bytes(content)
    assert again.to_bytes() == content
    np.testing.assert_array_equal(again.codes(vectors), made.codes(vectors))
    np.testing.assert_array_equal(again.signatures(vectors), made.signatures(vectors))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"no hash at all"])
def test_a_file_that_is_no_hash_is_refused(content):
    with pytest.raises(ValueError, match="hash"):
        Hash.from_bytes(content)


def test_a_vector_has_the_same_code_alone_and_in_a_batch():
    vectors = np.random.default_rng(0).standard_normal((5_000, 33)).astype(np.float32)
    made = hash_of(33, 24, 4, seed=1)
    for function in (made.codes, made.signatures):
        alone = np.concatenate([function(vectors[i : i + 1]) for i in range(300)])
        assert (function(vectors)[:300] == alone).all()
        assert (function(vectors[::-1])[::-1] == function(vectors)).all()


def test_a_vector_almost_in_a_plane_is_on_its_true_side():
    made = hash_of(50, 40, 1, seed=2)
    wide = made.planes[0].astype(np.float64)
    vectors = np.random.default_rng(0).standard_normal((40, 50))
    inside = vectors - np.sum(vectors * wide, 1, keepdims=True) / np.sum(wide**2, 1)[:, None] * wide
    close = inside.astype(np.float32)  # rounding puts vector i a little off plane i
    found = [int(c) >> (39 - i) & 1 for i, c in enumerate(made.codes(close)[:, 0])]
    exact = [math.fsum(v * p) > 0 for v, p in zip(close.astype(np.float64), wide, strict=True)]
    assert found == exact


@pytest.mark.parametrize("cosine", [0.99, 0.9, 0.5, -0.3])
def test_a_bit_differs_with_a_probability_of_angle_over_pi(cosine):
    """The planes of one draw are the sample: each pair adds as many bits as there are planes."""
    n, q = 400, 1 - bit_agreement(cosine)
    first, second = pairs_at(cosine, n, 100)
    made = hash_of(100, 50, 10, seed=3)
    differ = np.mean((made.margins(first) > 0) != (made.margins(second) > 0))
    # The directions are random, so almost all of the n x 500 bits are independent.
    assert abs(differ - q) < 6 * math.sqrt(q * (1 - q) / (n * 500)) + 2e-3


@pytest.mark.parametrize("cosine", [0.99, 0.9, 0.5])
def test_signatures_tell_the_angle_within_its_deviation(cosine):
    first, second = pairs_at(cosine, 2_000, 100)
    made = hash_of(100)
    distances = hamming(made.signatures(first), made.signatures(second))
    angles = np.pi * distances / SIGNATURE_BITS
    deviation = angle_deviation(cosine, SIGNATURE_BITS)
    assert abs(angles.mean() - math.acos(cosine)) < deviation / 4
    assert angles.std() == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize("cosine", [0.99, 0.95, 0.9, 0.8])
@pytest.mark.parametrize(("bits", "tables"), [(6, 1), (12, 8), (24, 30)])
def test_pairs_meet_as_often_as_the_theory_says(cosine, bits, tables):
    n = 3_000
    first, second = pairs_at(cosine, n, 64, seed=5)
    made = hash_of(64, bits, tables, seed=6)
    meet = (made.codes(first) == made.codes(second)).any(axis=1).mean()
    p = collision_probability(cosine, bits, tables)
    # All pairs see the same planes; in 64 dimensions this adds less than two percent.
    assert abs(meet - p) < 4 * math.sqrt(p * (1 - p) / n) + 0.02


@given(
    arrays(np.int64, (3, 4), elements=st.integers(-(2**63), 2**63 - 1)),
    arrays(np.int64, (3, 4), elements=st.integers(-(2**63), 2**63 - 1)),
)
def test_hamming_counts_the_bits_that_differ(first, second):
    wanted = [
        sum(
            (int(a) ^ int(b)) % 2**64 >> i & 1 for a, b in zip(x, y, strict=True) for i in range(64)
        )
        for x, y in zip(first, second, strict=True)
    ]
    assert hamming(first, second).tolist() == wanted


@pytest.mark.parametrize("vectors", [np.ones((1, 3)), np.ones(2)])
def test_vectors_of_another_length_are_refused(vectors):
    with pytest.raises(ValueError, match=r"want vectors \(n, 2\)"):
        hash_of(2).codes(vectors)


def test_planes_that_do_not_go_together_are_refused():
    made = hash_of(3)
    with pytest.raises(ValueError, match="want planes"):
        Hash(made.planes, made.thresholds[:1], made.signature_planes)
