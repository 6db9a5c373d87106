import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.hashing import bit_agreement, buckets, collision_probability, hyperplanes


@st.composite
def hashed(draw):
    """vectors (n, d), planes (tables * bits, d), bits."""
    n, d = draw(st.integers(0, 5)), draw(st.integers(1, 4))
    bits, tables = draw(st.sampled_from([1, 2, 7, 62])), draw(st.integers(1, 3))
    vectors = draw(arrays(np.float32, (n, d), elements=st.integers(-4, 4).map(float)))
    return vectors, hyperplanes(d, bits, tables, draw(st.integers(0, 99))), bits


def buckets_bit_by_bit(vectors, planes, bits):
    return [
        [
            sum(
                2**i
                for i in range(bits)
                if sum(float(a) * float(b) for a, b in zip(vector, planes[start + i], strict=True))
                > 0
            )
            for start in range(0, len(planes), bits)
        ]
        for vector in vectors
    ]


@given(hashed())
def test_bit_i_tells_the_side_of_plane_i(case):
    vectors, planes, bits = case
    found = buckets(vectors, planes, bits)
    assert found.dtype == np.int64
    assert found.shape == (len(vectors), len(planes) // bits)
    assert found.tolist() == buckets_bit_by_bit(vectors, planes, bits)


@given(hashed(), st.integers(1, 1000))
def test_the_length_of_a_vector_does_not_matter(case, scale):
    vectors, planes, bits = case
    assert (
        buckets(vectors * scale, planes, bits).tolist() == buckets(vectors, planes, bits).tolist()
    )


def test_a_vector_has_the_same_buckets_alone_and_in_a_batch():
    vectors = np.random.default_rng(0).standard_normal((300, 33)).astype(np.float32)
    planes = hyperplanes(33, 24, 4, seed=1)
    together = buckets(vectors, planes, 24)
    alone = np.concatenate([buckets(vectors[i : i + 1], planes, 24) for i in range(300)])
    assert (together == alone).all()


def test_a_vector_almost_in_a_plane_is_on_its_true_side():
    planes = hyperplanes(50, 40, 1, seed=2)
    wide = planes.astype(np.float64)
    vectors = np.random.default_rng(0).standard_normal((40, 50))
    inside = vectors - np.sum(vectors * wide, 1, keepdims=True) / np.sum(wide**2, 1)[:, None] * wide
    close = inside.astype(np.float32)  # rounding puts vector i a little off plane i
    found = [int(b) >> i & 1 for i, b in enumerate(buckets(close, planes, 40)[:, 0])]
    exact = [math.fsum(v * p) > 0 for v, p in zip(close.astype(np.float64), wide, strict=True)]
    assert found == exact


def test_hyperplanes_are_standard_normal_and_depend_on_the_seed_alone():
    planes = hyperplanes(200, 10, 20, seed=3)
    assert planes.shape == (200, 200)
    assert abs(planes.mean()) < 0.02
    assert abs(planes.std() - 1) < 0.02
    assert (planes == hyperplanes(200, 10, 20, seed=3)).all()
    assert (planes != hyperplanes(200, 10, 20, seed=4)).any()


@pytest.mark.parametrize(("d", "bits", "tables"), [(0, 1, 1), (1, 0, 1), (1, 63, 1), (1, 1, 0)])
def test_hashes_of_impossible_sizes_are_refused(d, bits, tables):
    with pytest.raises(ValueError, match=r"bits in \[1, 62\]"):
        hyperplanes(d, bits, tables, 0)


def test_planes_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="want vectors"):
        buckets(np.ones((1, 3)), np.ones((4, 2)), 2)


@pytest.mark.parametrize(
    ("cosine", "agreement", "in_one_table", "tables_for_90_percent"),
    [
        (0.99, 0.9549, 0.3307, 6),
        (0.95, 0.8989, 0.0775, 29),
        (0.90, 0.8564, 0.0242, 94),
        (0.80, 0.7952, 0.00408, 563),
        (0.70, 0.7468, 0.00091, 2541),
    ],
)
def test_collisions_of_24_bits(cosine, agreement, in_one_table, tables_for_90_percent):
    assert bit_agreement(cosine) == pytest.approx(agreement, abs=5e-5)
    assert collision_probability(cosine, 24, 1) == pytest.approx(in_one_table, rel=6e-3)
    assert collision_probability(cosine, 24, tables_for_90_percent) >= 0.9
    assert collision_probability(cosine, 24, tables_for_90_percent - 1) < 0.9


@pytest.mark.parametrize(
    ("bits", "wanted"),
    [
        (12, (0.995, 0.933, 0.652, 0.387)),
        (16, (0.960, 0.753, 0.339, 0.140)),
        (20, (0.868, 0.522, 0.151, 0.046)),
        (24, (0.725, 0.325, 0.063, 0.014)),
    ],
)
def test_collisions_in_16_tables(bits, wanted):
    got = [collision_probability(cosine, bits, 16) for cosine in (0.95, 0.9, 0.8, 0.7)]
    assert got == pytest.approx(wanted, abs=6e-4)


def test_vectors_collide_as_often_as_the_formula_says():
    rng = np.random.default_rng(5)
    cosine, bits, tables, pairs = 0.8, 4, 2, 4000
    angle = np.arccos(cosine)
    first = np.tile([1.0, 0.0], (pairs, 1))
    second = np.tile([np.cos(angle), np.sin(angle)], (pairs, 1))
    shared = 0
    for a, b in zip(first, second, strict=True):
        planes = rng.standard_normal((tables * bits, 2))
        shared += (buckets(a[None], planes, bits) == buckets(b[None], planes, bits)).any()
    p = collision_probability(cosine, bits, tables)
    assert abs(shared / pairs - p) < 4 * np.sqrt(p * (1 - p) / pairs)


@pytest.mark.parametrize("cosine", [-1.1, 1.1, float("nan")])
def test_what_is_no_cosine_is_refused(cosine):
    with pytest.raises(ValueError, match="the cosine is"):
        bit_agreement(cosine)
