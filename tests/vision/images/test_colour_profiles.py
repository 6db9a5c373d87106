"""What a file says of the meaning of its numbers is applied: an ICC profile, a PNG's gamma.

The kind of fault: the numbers of a photo in Adobe RGB, Display P3 or a printer's inks are taken for
sRGB, so that all its colours are wrong, without a word. The profiles are built byte by byte, and
what a picture is in their colours is reckoned with numpy.
"""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from devise_lib.vision.images import colour_profiles
from devise_lib.vision.images.decode import decode, is_plain
from tests.crafted import draw_picture, encode, jpeg_with, png_chunk, png_of
from tests.icc_profiles import (
    ADOBE,
    DISPLAY_P3,
    GREY_PROFILE,
    LABS_OF_INKS,
    LABS_OF_LIGHTS,
    SRGB,
    SWAPPED,
    in_space,
    linear,
    matrix_profile,
    profile_of,
    srgb_levels,
    srgb_of_lab,
    table_profile,
    xyz,
)  # fmt: skip
from tests.tiff_files import tiff_of

SIZE = 48
# Neither too dark for eight bits of light, nor too bright for a palette of other primaries.
PICTURE = draw_picture(SIZE, SIZE).point([60 + value * 7 // 10 for value in range(256)] * 3)
RGB = np.asarray(PICTURE)
GREY = np.asarray(PICTURE.convert("L"))
GREYS = np.repeat(GREY[..., None], 3, axis=2)


def difference(content: bytes, picture) -> float:
    pixels = decode(content, SIZE)
    return float(np.abs(pixels.astype(float) - picture).mean())


SPACES = {"Adobe RGB": ADOBE, "Display P3": DISPLAY_P3, "swapped": SWAPPED}


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_photo_with_a_profile_is_its_srgb_original(name, fmt):
    matrix = SPACES[name]
    options = {"JPEG": {"quality": 97, "subsampling": 0}, "WEBP": {"lossless": True}}.get(fmt, {})
    options |= {"quality": 97, "subsampling": "4:4:4"} if fmt == "AVIF" else {}
    stored = Image.fromarray(in_space(RGB, matrix))
    content = encode(stored, fmt, icc_profile=matrix_profile(matrix), **options)
    assert difference(content, RGB) < 2
    assert difference(encode(stored, fmt, **options), RGB) > 5  # what ignoring it would give
    assert not is_plain(content)


def test_every_pixel_is_near_its_original():
    content = encode(
        Image.fromarray(in_space(RGB, ADOBE)), "PNG", icc_profile=matrix_profile(ADOBE)
    )
    assert np.abs(decode(content, SIZE).astype(float) - RGB).max() <= 2


def test_a_profile_of_grey_is_for_grey():
    linear_grey = (linear(GREY) * 255).round().astype(np.uint8)
    for fmt in ("PNG", "TIFF"):
        pixels = decode(encode(Image.fromarray(linear_grey), fmt, icc_profile=GREY_PROFILE), SIZE)
        assert np.abs(pixels.astype(float) - GREYS).mean() < 2
    deep = (linear(GREY) * 65535).astype(np.uint16)[..., None]
    content = tiff_of(deep, 1, t34675=("B", list(GREY_PROFILE)))
    pixels = decode(content, SIZE)
    assert np.abs(pixels.astype(float) - GREYS).mean() < 2


def test_a_palette_and_opacity_have_a_profile_too():
    profile = matrix_profile(SWAPPED)
    stored = Image.fromarray(in_space(RGB, SWAPPED))
    few = stored.quantize(128)
    assert difference(encode(few, "PNG", icc_profile=profile), RGB) < 6
    clear = stored.convert("RGBA")
    clear.putalpha(Image.fromarray(np.where(np.indices(GREY.shape)[1] < 9, 0, 255).astype("u1")))
    on_white = RGB.copy()
    on_white[:, :9] = 255
    assert difference(encode(clear, "PNG", icc_profile=profile), on_white) < 2


@pytest.mark.parametrize("corner", [0, 1, 2, 4, 7, 8, 15])
def test_inks_mean_what_their_profile_says(corner):
    """No other statement tells what inks look like."""
    inks = [255 * (corner >> (3 - i) & 1) for i in range(4)]
    picture = Image.new("CMYK", (SIZE, SIZE), tuple(inks))
    profile = table_profile(b"CMYK", LABS_OF_INKS)
    wanted = srgb_of_lab(LABS_OF_INKS[corner])
    for fmt, options in {"TIFF": {}, "JPEG": {"quality": 98}}.items():
        assert difference(encode(picture, fmt, icc_profile=profile, **options), wanted) < 3


def test_a_profile_by_a_table_is_applied():
    profile = table_profile(b"RGB ", LABS_OF_LIGHTS)
    for corner in range(8):
        colour = tuple(255 * (corner >> (2 - i) & 1) for i in range(3))
        content = encode(Image.new("RGB", (SIZE, SIZE), colour), "PNG", icc_profile=profile)
        assert difference(content, srgb_of_lab(LABS_OF_LIGHTS[corner])) < 3


def test_srgb_itself_changes_no_pixel():
    """Most profiles of photos are a version of it, with a curve of 1,024 points."""
    points = (65535 * linear(np.arange(1024) * 255 / 1023)).round().astype(">u2").tobytes()
    points = b"curv" + bytes(4) + struct.pack(">I", 1024) + points
    content = encode(PICTURE, "PNG", icc_profile=matrix_profile(SRGB, points))
    assert (decode(content, SIZE) == RGB).all()
    assert is_plain(content)


def test_a_profile_that_differs_by_a_few_levels_is_applied():
    """The kind of fault: a limit so wide that a profile is taken for sRGB."""
    profile = matrix_profile(SRGB)  # a gamma of 2.2 differs by some levels in the dark
    picture = Image.new("RGB", (SIZE, SIZE), (12, 12, 12))
    pixels = decode(encode(picture, "PNG", icc_profile=profile), SIZE)
    wanted = srgb_levels((12 / 255) ** 2.2).round()
    assert 2 <= 12 - wanted <= 10
    assert np.abs(pixels - wanted).max() <= 1


def test_a_profile_of_megabytes_is_applied():
    """Those for print are as large."""
    padded = matrix_profile(SWAPPED) + bytes(4 << 20)
    content = encode(Image.fromarray(in_space(RGB, SWAPPED)), "TIFF", icc_profile=padded)
    assert difference(content, RGB) < 2


USELESS = {
    "no profile": b"no profile",
    "a header alone": matrix_profile(ADOBE)[:128],
    "cut": matrix_profile(ADOBE)[:300],
    "damaged": matrix_profile(ADOBE)[:140] + b"\xff" * 400,
    "another kind of colours": GREY_PROFILE,
    "inks": table_profile(b"CMYK", LABS_OF_INKS),
    "to other devices": profile_of(b"RGB ", {b"wtpt": xyz((1, 1, 1))}, b"RGB ", b"link"),
    "zeros": bytes(4000),
}


@pytest.mark.parametrize("name", USELESS)
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "TIFF"])
def test_a_photo_whose_profile_is_useless_is_taken_as_srgb(name, fmt):
    content = encode(PICTURE, fmt, icc_profile=USELESS[name])
    assert (decode(content, SIZE) == decode(encode(PICTURE, fmt), SIZE)).all()


def test_profiles_that_do_not_fit_grey_or_inks_are_ignored():
    for mode, profile in (("L", matrix_profile(SWAPPED)), ("CMYK", matrix_profile(SWAPPED))):
        picture = PICTURE.convert(mode)
        content = encode(picture, "TIFF", icc_profile=profile)
        assert (decode(content, SIZE) == decode(encode(picture, "TIFF"), SIZE)).all()


def test_a_huge_profile_is_ignored():
    huge = matrix_profile(SWAPPED) + bytes(colour_profiles.MAX_PROFILE_BYTES)
    content = encode(PICTURE, "TIFF", icc_profile=huge)
    assert (decode(content, SIZE) == RGB).all()


def test_a_profile_in_several_pieces_and_one_that_lacks_a_piece():
    """JPEG holds 64 KB in a segment."""
    profile = matrix_profile(SWAPPED)
    stored = encode(Image.fromarray(in_space(RGB, SWAPPED)), "JPEG", quality=97, subsampling=0)
    halves = profile[:200], profile[200:]
    both = stored
    for number, half in reversed(list(enumerate(halves, 1))):
        both = jpeg_with(both, 0xE2, b"ICC_PROFILE\0" + bytes((number, 2)) + half)
    assert difference(both, RGB) < 2
    one = jpeg_with(stored, 0xE2, b"ICC_PROFILE\0" + bytes((1, 2)) + halves[0])
    assert (decode(one, SIZE) == decode(stored, SIZE)).all()


def gamma_chunk(gamma: float) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.7])
def test_a_png_is_shown_by_its_gamma(gamma):
    """A sample of it is light to the power of the gamma."""
    light = (RGB / 255) ** 2.2
    stored = (255 * light**gamma).round().astype(np.uint8)
    content = png_of(stored, before=gamma_chunk(gamma))
    pixels = decode(content, SIZE).astype(float)
    assert np.abs(pixels - RGB).mean() < 1
    assert not is_plain(content)
    grey = (255 * (GREY / 255) ** (2.2 * gamma)).round().astype(np.uint8)[..., None]
    pixels = decode(png_of(grey, before=gamma_chunk(gamma)), SIZE).astype(float)
    assert np.abs(pixels - GREYS).mean() < 1
    deep = (65535 * (GREY / 255) ** (2.2 * gamma)).astype(np.uint16)[..., None]
    pixels = decode(png_of(deep, before=gamma_chunk(gamma)), SIZE).astype(float)
    assert np.abs(pixels - GREYS).mean() < 2


def test_a_gamma_leaves_opacity_as_it_is():
    clear = np.dstack([RGB, np.zeros_like(GREY)])
    assert (decode(png_of(clear, before=gamma_chunk(1.0)), SIZE) == 255).all()


@pytest.mark.parametrize("gamma", [0.45455, 0.45, 0.4636, 0.0, 42_949.0])
def test_a_gamma_of_srgb_or_of_nonsense_changes_no_pixel(gamma):
    content = png_of(RGB, before=gamma_chunk(gamma))
    assert (decode(content, SIZE) == RGB).all()


def test_what_says_more_comes_before_a_gamma():
    chunk = png_chunk(b"sRGB", b"\0")
    assert (decode(png_of(RGB, before=chunk + gamma_chunk(1.0)), SIZE) == RGB).all()
    profile = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(matrix_profile(SWAPPED)))
    content = png_of(in_space(RGB, SWAPPED), before=profile + gamma_chunk(1.0))
    assert difference(content, RGB) < 2
