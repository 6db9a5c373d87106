import io
import random
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from devise_lib.reasons import Reason
from devise_lib.vision.images.decode import Refusal, decode, inspect
from tests.crafted import draw_picture, encode, filter_weights, make_png

T = Image.Transpose


PICTURE = draw_picture(60, 40)


def differ(one, other) -> float:
    """The mean difference of two arrays of pixels, in [0, 255]."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def assert_refused(answer, reason: Reason, message: str = "") -> None:
    assert isinstance(answer, Refusal)
    assert answer.reason is reason
    assert message in answer.message


def test_a_square_photo_of_the_size_asked_for_comes_as_it_is():
    photo = draw_picture(24, 24)
    assert (decode(encode(photo, "PNG"), 24) == np.asarray(photo)).all()


def test_the_short_side_is_scaled_and_the_middle_kept():
    photo = Image.new("RGB", (300, 100), "red")
    photo.paste("lime", (100, 0, 200, 100))
    for picture in (photo, photo.transpose(T.ROTATE_90)):
        pixels = decode(encode(picture, "PNG"), 50)
        assert pixels.shape == (50, 50, 3)
        assert pixels.dtype == np.uint8
        inner = pixels[1:-1, 1:-1]  # the filter reaches a little beyond the square
        assert (inner == [0, 255, 0]).all()


@given(st.integers(8, 70), st.integers(8, 70), st.integers(1, 50))
def test_a_gradient_stays_a_gradient_of_the_middle_at_any_size(width, height, size):
    picture = draw_picture(width, height)
    pixels = decode(encode(picture, "PNG"), size)
    across, down = np.asarray(picture)[0, :, 0], np.asarray(picture)[:, 0, 1]
    side = min(width, height)
    wanted_across = filter_weights(width, (width - side) / 2, side, size) @ across
    wanted_down = filter_weights(height, (height - side) / 2, side, size) @ down
    np.testing.assert_allclose(pixels[..., 0], np.tile(wanted_across, (size, 1)), atol=1.01)
    np.testing.assert_allclose(pixels[..., 1].T, np.tile(wanted_down, (size, 1)), atol=1.01)


@pytest.mark.parametrize("shape", [(1000, 600), (600, 1000), (2000, 50), (333, 47)])
def test_a_jpeg_decoded_at_a_fraction_of_its_size_is_square_and_sharp(shape):
    pixels = np.array(draw_picture(*shape))
    waves = np.sin(2 * np.pi * np.indices(shape[::-1]).sum(axis=0) * 5 / min(shape))
    pixels[..., 2] = 127 + 120 * waves  # five waves across the square that is kept
    photo = Image.fromarray(pixels)
    found = decode(encode(photo, "JPEG", quality=95, subsampling=0), 40)
    assert found.shape == (40, 40, 3)
    wanted = decode(encode(photo, "PNG"), 40)
    assert differ(found, wanted) < 4
    assert wanted[..., 2].std() > 40


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_grey_of_32_bits_is_taken_as_8_or_16_by_its_range(kind):
    eight = np.arange(256).reshape(16, 16)
    pixels = decode(encode(Image.fromarray(eight.astype(kind)), "TIFF"), 16)
    assert (pixels[..., 0] == eight).all()
    pixels = decode(encode(Image.fromarray((eight * 257).astype(kind)), "TIFF"), 16)
    assert (pixels[..., 0] == eight).all()


JPEG, PNG = (encode(draw_picture(300, 200), fmt) for fmt in ("JPEG", "PNG"))
REFUSED = {
    "no byte": (b"", Reason.EMPTY, "no bytes"),
    "half a JPEG": (JPEG[: len(JPEG) // 2], Reason.TRUNCATED, "truncated"),
    "half a PNG": (PNG[: len(PNG) // 2], Reason.TRUNCATED, "truncated"),
    "half a bitmap": (encode(PICTURE, "BMP")[:3000], Reason.TRUNCATED, "truncated"),
    "text": (b"The photo has moved.", Reason.NOT_AN_IMAGE, "starts with b'The phot'"),
    "noise": (random.Random(0).randbytes(999), Reason.NOT_AN_IMAGE, "no known format"),
    "PDF": (b"%PDF-1.4\n", Reason.UNSUPPORTED_FORMAT, "PDF is not read"),
    "SVG": (b"  <svg xmlns='...'/>", Reason.UNSUPPORTED_FORMAT, "SVG is not read"),
    "XML": (b"<?xml version='1.0'?><svg/>", Reason.UNSUPPORTED_FORMAT, "XML"),
    "Photoshop": (b"8BPS\0\1" + bytes(40), Reason.UNSUPPORTED_FORMAT, "Photoshop is not read"),
    "HEIF": (b"\0\0\0\x18ftypheic" + bytes(40), Reason.UNSUPPORTED_FORMAT, "HEIF is not read"),
    "bomb": (make_png(50_000, 50_000, zlib.compress(b"\0")), Reason.TOO_LARGE, "50000x50000"),
    "line": (
        encode(Image.new("RGB", (300, 7)), "PNG"),
        Reason.TOO_SMALL,
        "300x7 pixels, want at least 8 per side",
    ),
    "no deflate": (make_png(64, 64, b"\xff" * 64), Reason.DECODE_ERROR, ""),
    "bad checksum": (
        PNG[:60] + b"?" + PNG[61:],
        Reason.DECODE_ERROR,
        "the checksum of its pixels is wrong",
    ),
    "bad header": (PNG[:29] + bytes(4) + PNG[33:], Reason.DECODE_ERROR, "header: no PNG that can"),
    "odd bitmap": (
        encode(PICTURE, "BMP")[:30] + b"\x63" + encode(PICTURE, "BMP")[31:],
        Reason.DECODE_ERROR,
        "header: Unsupported BMP compression",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name):
    content, reason, message = REFUSED[name]
    assert_refused(decode(content, 32), reason, message)


def test_every_reason_of_a_file_has_its_test():
    of_reading = {"missing_file", "permission", "read_error", "time_out", "changed"}
    of_index = {"wrong_length", "zero_vector", "duplicate_id"}
    of_others = {"not_finite", "no_label", "removed"} | of_reading | of_index
    assert {reason for _, reason, _ in REFUSED.values()} | of_others == set(Reason)


def test_the_limits_are_of_the_pixels_and_of_the_shorter_side():
    content = encode(PICTURE, "PNG")  # 60 x 40
    assert inspect(content, max_pixels=2400, min_side=40) is None
    assert_refused(inspect(content, max_pixels=2399), Reason.TOO_LARGE, "at most 2399 are read")
    assert_refused(inspect(content, min_side=41), Reason.TOO_SMALL, "want at least 41 per side")
    assert_refused(decode(content, 32, max_pixels=2399), Reason.TOO_LARGE)
    assert_refused(decode(content, 32, min_side=41), Reason.TOO_SMALL)


@pytest.fixture
def no_decoding(monkeypatch):
    def fail(*_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)


@pytest.mark.usefixtures("no_decoding")
def test_a_bomb_is_refused_before_any_pixel_is_decoded():
    assert_refused(decode(REFUSED["bomb"][0], 32), Reason.TOO_LARGE)
    assert inspect(encode(PICTURE, "PNG")) is None  # a header never needs a pixel


@pytest.mark.usefixtures("no_decoding")
def test_a_bomb_within_an_icon_is_not_even_tried():
    inner = make_png(9000, 9000, zlib.compress(bytes(100)))
    entry = struct.pack("<BBBBHHII", 64, 64, 0, 0, 1, 32, len(inner), 22)
    icon = struct.pack("<HHH", 0, 1, 1) + entry + inner
    with pytest.raises(AssertionError, match="pixels were decoded"):
        Image.open(io.BytesIO(icon))  # what Pillow does of itself, for the header alone
    assert_refused(decode(icon, 32), Reason.UNSUPPORTED_FORMAT, "an icon is not read")


def test_a_program_in_postscript_is_not_run():
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
    assert Image.open(io.BytesIO(program)).format == "EPS"
    assert_refused(decode(program, 32), Reason.UNSUPPORTED_FORMAT, "PostScript")
