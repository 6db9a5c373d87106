"""The range of deep grey is what the tags state, else the type's, else that of most samples.

The kind of fault: one sample, the brightest, decides whether a photo is divided by 1, 255 or 65535,
so that one highlight makes it black.
"""

import numpy as np
import pytest
from PIL import Image

from devise_lib.vision.images.decode import decode
from tests.crafted import draw_picture, encode
from tests.tiff_files import tiff_of

SIZE = 64
GREY = np.asarray(draw_picture(SIZE, SIZE).convert("L"))
UNIT = GREY.astype(np.float32) / 255
ROWS = np.indices(GREY.shape)[0]


def difference(samples, **tags) -> float:
    """The mean difference of the decoded photo to the grey picture, in levels."""
    pixels = decode(tiff_of(samples[..., None], 1, **tags), SIZE)
    return float(np.abs(pixels.astype(float) - GREY[..., None]).mean())


def with_spot(samples, value, side=1):
    samples = samples.copy()
    samples[:side, :side] = value
    return samples


@pytest.mark.parametrize(("value", "side"), [(1.02, 1), (3.5, 2), (300, 1), (1e9, 3)])
def test_highlights_beyond_white_do_not_darken_a_photo_of_floats(value, side):
    content = encode(Image.fromarray(with_spot(UNIT, value, side)), "TIFF")
    pixels = decode(content, SIZE).astype(float)
    assert np.abs(pixels - GREY[..., None])[side:].mean() < 0.1
    assert (pixels[:side, :side] == 255).all()


def test_a_tenth_of_highlights_is_not_too_much():
    bright = np.where(ROWS < SIZE // 12, 2.5, UNIT)
    assert difference(bright.astype(np.float32)) < 20  # the highlights themselves are white


@pytest.mark.parametrize("times", [1.3, 2.0, 4.0, 7.5])
def test_light_beyond_white_is_white_however_much_of_it_there_is(times):
    """The kind of fault: a photo of floats is divided by 255 and is black, without a word."""
    ramp = np.tile(np.linspace(0, times, SIZE, dtype=np.float32), (SIZE, 1))
    pixels = decode(tiff_of(ramp[..., None], 1), SIZE).astype(float)
    wanted = np.rint(255 * np.minimum(ramp, 1))
    assert np.abs(pixels - wanted[..., None]).mean() < 0.1


def test_floats_whose_bulk_is_far_beyond_1_have_a_range_of_bytes():
    ramp = np.tile(np.linspace(0, 8.5, SIZE, dtype=np.float32), (SIZE, 1))
    assert (decode(tiff_of(ramp[..., None], 1), SIZE)[0, :, 0] == np.rint(ramp[0])).all()


def test_what_is_no_finite_number_is_black():
    samples = np.where(ROWS < 3, np.inf, np.where(ROWS < 6, np.nan, UNIT)).astype(np.float32)
    pixels = decode(tiff_of(samples[..., None], 1), SIZE)
    assert not pixels[:6].any()
    assert (pixels[6:, :, 0] == GREY[6:]).all()


@pytest.mark.parametrize(("share", "white"), [(0.05, 255), (0.2, 65_535)])
def test_a_tenth_of_whole_numbers_beyond_255_makes_them_16_bits(share, white):
    columns = np.arange(SIZE * SIZE).reshape(GREY.shape)
    samples = np.where(columns < share * columns.size, 20_000, 200).astype(np.int32)
    pixels = decode(tiff_of(samples[..., None], 1), SIZE)
    wanted = np.rint(samples / white * 255).clip(0, 255)
    assert (pixels == wanted[..., None]).all()


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint32, np.float32])
def test_one_bright_sample_does_not_make_8_bits_16(kind):
    assert difference(with_spot(GREY.astype(kind), 300)) < 0.1


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.float32])
def test_one_bright_sample_does_not_make_16_bits_32(kind):
    assert difference(with_spot(GREY.astype(kind) * 257, 2_000_000_000)) < 0.1


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        *((kind, order) for kind in (np.int8, np.uint16, np.int16, np.int32) for order in "<>"),
        (np.uint32, "<"),  # the other order is refused by name: see test_tiff_layouts
    ],
)
def test_the_whole_range_of_a_type_is_used(kind, order):
    samples = np.rint(UNIT.astype(float) * np.iinfo(kind).max).astype(kind)
    # A level of 127 is two of 255, so that half of them are one beside the picture's.
    assert difference(samples, order=order) <= (0.6 if kind is np.int8 else 0.02)


def test_counts_of_a_dark_photo_are_not_taken_for_shares():
    """Whole numbers of which most are 0 or 1: of a range to 255, as long as a few go beyond 1."""
    counts = np.where(ROWS < 2, 200, ROWS % 2).astype(np.float32)
    pixels = decode(tiff_of(counts[..., None], 1), SIZE)
    assert pixels[10:].max() == 1
    assert (pixels[:2] == 200).all()
    few = np.where((ROWS < 1) & (np.indices(GREY.shape)[1] < 20), 200, ROWS % 2)  # in a hundred, 1
    assert decode(tiff_of(few.astype(np.float32)[..., None], 1), SIZE)[10:].max() == 1
    mask = with_spot((ROWS % 2).astype(np.float32), 2)  # one sample
    assert set(decode(tiff_of(mask[..., None], 1), SIZE)[2:].ravel()) == {0, 255}


def test_a_stated_maximum_comes_before_the_types():
    twelve_bits = (GREY.astype(np.uint32) * 4095 // 255).astype(np.uint16)
    assert difference(twelve_bits) > 100
    assert difference(twelve_bits, t281=4095) < 0.1
    assert difference(twelve_bits, t281=4095, order=">") < 0.1
    assert difference(twelve_bits.astype(np.int32), t341=("i", [4095])) < 0.1
    fourteen_bits = (GREY.astype(np.uint32) * 16383 // 255).astype(np.uint16)
    assert difference(fourteen_bits, t281=16383) < 0.1
    assert difference(UNIT * 100, t341=("f", [100.0])) < 0.1


def test_a_stated_minimum_is_black_where_samples_are_below_0():
    shifted = (GREY.astype(np.int32) * 257 - 32768).astype(np.int16)
    assert difference(shifted, t340=("h", [-32768]), t341=("h", [32767])) < 0.1
    holes = with_spot(UNIT * 255, -9999, 4)  # where nothing was measured
    assert difference(holes, t340=("f", [-9999.0])) < 0.1


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_the_brightest_sample_of_a_dark_photo_is_not_its_range(kind):
    """Programs write it as the maximum. A photo at a quarter of the range stays dark."""
    top = np.iinfo(kind).max
    dark = (UNIT.astype(float) * (top // 4)).astype(kind)
    brightest = ("H" if kind is np.uint16 else "I", [int(dark.max())])
    pixels = decode(tiff_of(dark[..., None], 1, t281=brightest), SIZE).astype(float)
    assert np.abs(pixels - dark[..., None] / top * 255).max() <= 0.51


@pytest.mark.parametrize("spot", [None, 0.45])
def test_the_brightest_sample_of_dark_floats_or_signed_samples_is_not_their_range(spot):
    dark = UNIT * np.float32(0.3)
    if spot:
        dark = with_spot(dark, np.float32(spot))
    pixels = decode(tiff_of(dark[..., None], 1, t341=("f", [float(dark.max())])), SIZE)
    assert np.abs(pixels - np.rint(dark * 255)[..., None]).max() <= 1
    signed = (UNIT * 1_500).astype(np.int16)
    with_tag = decode(tiff_of(signed[..., None], 1, t341=("h", [int(signed.max())])), SIZE)
    np.testing.assert_array_equal(with_tag, decode(tiff_of(signed[..., None], 1), SIZE))


def test_white_may_be_stated_as_0():
    assert difference(UNIT - 1, t340=("f", [-1.0]), t341=("f", [0.0])) < 0.1


@pytest.mark.parametrize("stated", [61_234, 65_535, 40_000, 300, 0])
def test_a_stated_maximum_that_is_only_this_photos_brightest_changes_nothing(stated):
    """Near the type's, or less than what the samples have: programs write such numbers."""
    assert difference(GREY.astype(np.uint16) * 257, t281=stated) < 0.1


@pytest.mark.parametrize("stated", [np.nan, np.inf, -1.0, 0.83, 1.02])
def test_a_stated_maximum_without_meaning_changes_nothing(stated):
    assert difference(UNIT, t341=("f", [stated])) < 0.1


def test_12_packed_bits_are_taken_as_12():
    twelve_bits = (GREY.astype(np.uint32) * 4095 // 255)[..., None]
    pixels = decode(tiff_of(twelve_bits, 1, bits=12), SIZE).astype(float)
    assert np.abs(pixels - GREY[..., None]).mean() < 0.1
