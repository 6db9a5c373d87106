import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.index.places import PLACE_BITS, place_of


@given(st.text())
def test_a_place_is_the_first_60_bits_of_the_digest(photo_id):
    digest = hashlib.sha256(photo_id.encode()).digest()
    assert place_of(photo_id) == int.from_bytes(digest, "big") >> (256 - PLACE_BITS)


@given(st.text())
def test_a_place_is_a_number_of_60_bits_that_a_long_holds(photo_id):
    assert 0 <= place_of(photo_id) < 2**PLACE_BITS <= 2**63


def test_photos_with_numbers_in_order_are_spread_evenly():
    parts = [place_of(f"p{i:06d}") >> (PLACE_BITS - 4) for i in range(16_000)]
    counts = np.bincount(parts, minlength=16)
    assert counts.min() > 900
    assert counts.max() < 1_100
