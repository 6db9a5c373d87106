import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.lsh.theory import (
    angle_deviation,
    bit_agreement,
    collision_probability,
    cosine_of_distance,
    most_differing,
    tables_for,
)

OF_24_BITS = [  # cosine, p, p^24, tables for 90 %, and within 1, 2 and 3 bits
    (0.99, 0.9549, 0.3307, 6, (0.705, 0.908, 0.979)),
    (0.95, 0.8989, 0.0775, 29, (0.287, 0.557, 0.780)),
    (0.90, 0.8564, 0.0242, 94, (0.122, 0.310, 0.541)),
    (0.80, 0.7952, 0.00408, 563, (0.029, 0.104, 0.245)),
    (0.70, 0.7468, 0.00091, 2541, (0.008, 0.037, 0.109)),
]


@pytest.mark.parametrize(("cosine", "agreement", "one_table", "tables", "near"), OF_24_BITS)
def test_collisions_of_24_bits(cosine, agreement, one_table, tables, near):
    assert bit_agreement(cosine) == pytest.approx(agreement, abs=5e-5)
    assert collision_probability(cosine, 24, 1) == pytest.approx(one_table, rel=6e-3)
    assert tables_for(cosine, 0.9, 24) == tables
    found = [collision_probability(cosine, 24, 1, radius) for radius in (1, 2, 3)]
    assert found == pytest.approx(near, abs=6e-4)


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


@given(st.floats(-0.9, 1), st.floats(0, 0.999), st.integers(1, 12))
def test_no_fewer_tables_would_do(cosine, recall, bits):
    tables = tables_for(cosine, recall, bits)
    assert collision_probability(cosine, bits, tables) >= recall - 1e-9
    assert tables == 1 or collision_probability(cosine, bits, tables - 1) < recall + 1e-9


@pytest.mark.parametrize(("cosine", "recall", "bits"), [(-1, 0.5, 3), (0.9, 1.0, 3), (0.9, 0.5, 0)])
def test_what_no_tables_reach_is_refused(cosine, recall, bits):
    with pytest.raises(ValueError, match="want recall"):
        tables_for(cosine, recall, bits)


@pytest.mark.parametrize(
    ("bits", "degrees"), [(6, 25.8), (24, 12.9), (64, 7.9), (256, 3.9), (1024, 2.0)]
)
def test_the_deviation_of_the_angle_at_a_cosine_of_0_9(bits, degrees):
    assert math.degrees(angle_deviation(0.9, bits)) == pytest.approx(degrees, abs=0.06)


def test_cosines_of_distances():
    assert cosine_of_distance([0, 1, 3, 6], 6) == pytest.approx([1, 0.8660, 0, -1], abs=5e-5)


def test_pairs_rarely_differ_in_more_bits_than_the_most():
    assert most_differing(1.0, 256) == 0
    assert most_differing(-1.0, 256) == 256
    rng = np.random.default_rng(0)
    for cosine in (0.99, 0.9, 0.5):
        q = 1 - bit_agreement(cosine)
        differing = rng.binomial(256, q, 100_000)
        assert np.mean(differing > most_differing(cosine, 256)) < 5e-4
        assert np.mean(differing > most_differing(cosine, 256, deviations=1)) > 0.05


@pytest.mark.parametrize("cosine", [-1.1, 1.1, float("nan")])
def test_what_is_no_cosine_is_refused(cosine):
    with pytest.raises(ValueError, match="the cosine is"):
        bit_agreement(cosine)
    with pytest.raises(ValueError, match="the cosine is"):
        most_differing(cosine, 256)
