import io
import random
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageDraw, ImageFile

from devise_lib.vision.images import Reason, Refusal, decode, inspect

T = Image.Transpose


def draw_picture(width: int, height: int) -> Image.Image:
    """A smooth picture that looks different from each side: no flip or turn of it is itself."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    pixels = np.stack([red, green, np.full_like(red, 40.0)], axis=2)
    return Image.fromarray(pixels.round().astype(np.uint8))


PICTURE = draw_picture(60, 40)


def encode(picture: Image.Image, fmt: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, fmt, **options)
    return buffer.getvalue()


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


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


def resized(line, start: float, side: int, size: int):
    """`side` values of a line from `start` on as `size` values, by a triangle filter."""
    scale = side / size
    places = np.arange(len(line)) + 0.5
    means = []
    for i in range(size):
        weights = np.maximum(0, 1 - np.abs(places - start - (i + 0.5) * scale) / max(scale, 1))
        means.append(np.average(line, weights=weights))
    return np.array(means)


@given(st.integers(8, 70), st.integers(8, 70), st.integers(1, 50))
def test_a_gradient_stays_a_gradient_of_the_middle_at_any_size(width, height, size):
    picture = draw_picture(width, height)
    pixels = decode(encode(picture, "PNG"), size)
    across, down = np.asarray(picture)[0, :, 0], np.asarray(picture)[:, 0, 1]
    side = min(width, height)
    wanted_across = resized(across, (width - side) / 2, side, size)
    wanted_down = resized(down, (height - side) / 2, side, size)
    np.testing.assert_allclose(pixels[..., 0], np.tile(wanted_across, (size, 1)), atol=1.01)
    np.testing.assert_allclose(pixels[..., 1].T, np.tile(wanted_down, (size, 1)), atol=1.01)


STORED = {  # EXIF orientation -> what a camera held that way does to the upright picture
    1: None,
    2: T.FLIP_LEFT_RIGHT,
    3: T.ROTATE_180,
    4: T.FLIP_TOP_BOTTOM,
    5: T.TRANSPOSE,
    6: T.ROTATE_90,
    7: T.TRANSVERSE,
    8: T.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_turns_a_photo_upright(orientation):
    turn = STORED[orientation]
    stored = PICTURE if turn is None else PICTURE.transpose(turn)
    upright = decode(encode(PICTURE, "PNG"), 32)
    turned = decode(encode(stored, "PNG", exif=oriented(orientation)), 32)
    assert (turned == upright).all()
    if turn is not None:
        assert differ(decode(encode(stored, "PNG"), 32), upright) > 20


@pytest.mark.parametrize("orientation", STORED)
def test_a_large_jpeg_is_turned_too(orientation):
    photo = draw_picture(640, 400)
    turn = STORED[orientation]
    stored = photo if turn is None else photo.transpose(turn)
    content = encode(stored, "JPEG", quality=95, exif=oriented(orientation))
    assert differ(decode(content, 32), decode(encode(photo, "PNG"), 32)) < 3


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


def test_a_cmyk_jpeg_has_the_colours_of_the_photo():
    photo = decode(encode(PICTURE.convert("CMYK"), "JPEG", quality=95), 32)
    assert differ(photo, decode(encode(PICTURE, "PNG"), 32)) < 4


def test_sixteen_bit_grey_is_scaled_and_a_dark_one_stays_dark():
    grey = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    pixels = decode(encode(Image.fromarray(grey), "PNG"), 32)
    np.testing.assert_allclose(pixels, np.repeat(grey[..., None] / 257, 3, axis=2), atol=1)
    dark = np.full((32, 32), 250, dtype=np.uint16)  # under a 200th of white
    assert decode(encode(Image.fromarray(dark), "PNG"), 32).max() == 0


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_grey_of_32_bits_is_taken_as_8_or_16_by_its_range(kind):
    eight = np.arange(256).reshape(16, 16)
    pixels = decode(encode(Image.fromarray(eight.astype(kind)), "TIFF"), 16)
    assert (pixels[..., 0] == eight).all()
    pixels = decode(encode(Image.fromarray((eight * 257).astype(kind)), "TIFF"), 16)
    assert (pixels[..., 0] == eight).all()


def test_a_grey_value_that_is_no_number_is_black():
    grey = np.full((16, 16), 100, dtype=np.float32)
    grey[3, 4] = np.nan
    pixels = decode(encode(Image.fromarray(grey), "TIFF"), 16)
    assert pixels[3, 4].tolist() == [0, 0, 0]
    assert pixels[0, 0].tolist() == [100, 100, 100]


@pytest.mark.parametrize("mode", ["L", "1"])
def test_greyscale_has_three_equal_channels(mode):
    picture = PICTURE.convert("L").convert(mode)
    pixels = decode(encode(picture, "PNG"), 40)
    wanted = np.asarray(picture.convert("L").crop((10, 0, 50, 40)))
    assert (pixels == wanted[..., None]).all()


def test_a_palette_photo_with_transparency_lies_on_white():
    picture = Image.new("P", (16, 16), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (8, 0, 16, 16))
    pixels = decode(encode(picture, "PNG", transparency=1), 16)
    assert (pixels[:, :8] == [255, 0, 0]).all()
    assert (pixels[:, 8:] == 255).all()
    assert (decode(encode(picture, "PNG"), 16)[:, 8:] == [0, 0, 255]).all()


@pytest.mark.parametrize("fmt", ["PNG", "WEBP"])
def test_transparency_lies_on_white_in_its_share(fmt):
    picture = Image.new("RGBA", (16, 16), (200, 0, 100, 255))
    picture.paste((200, 0, 100, 128), (8, 0, 16, 16))
    options = {"lossless": True} if fmt == "WEBP" else {}
    pixels = decode(encode(picture, fmt, **options), 16)
    assert (pixels[:, :8] == [200, 0, 100]).all()
    np.testing.assert_allclose(pixels[:, 8:], np.tile([227, 127, 177], (16, 8, 1)), atol=1)


def test_grey_with_transparency_lies_on_white():
    picture = Image.new("LA", (16, 16), (10, 0))
    assert (decode(encode(picture, "PNG"), 16) == 255).all()


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    for fmt in ("GIF", "WEBP"):
        content = encode(frames[0], fmt, save_all=True, append_images=frames[1:], duration=100)
        assert differ(decode(content, 16), np.full((16, 16, 3), [255, 0, 0])) < 3


def test_a_photo_under_a_wrong_name_is_told_by_its_bytes_alone():
    for fmt in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"):
        assert differ(decode(encode(PICTURE, fmt), 32), decode(encode(PICTURE, "PNG"), 32)) < 12


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def make_png(width: int, height: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


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
    "line": (encode(Image.new("RGB", (300, 7)), "PNG"), Reason.TOO_SMALL, "300x7 pixels, want 8"),
    "no deflate": (make_png(64, 64, b"\xff" * 64), Reason.DECODE_ERROR, ""),
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
    of_others = {Reason.NOT_FINITE, Reason.NO_LABEL}
    assert {reason for _, reason, _ in REFUSED.values()} | of_others == set(Reason)


@pytest.mark.parametrize("name", REFUSED)
def test_the_header_alone_tells_all_but_what_is_wrong_with_the_pixels(name):
    content, reason, message = REFUSED[name]
    if reason is Reason.TRUNCATED or name == "no deflate":
        assert inspect(content) is None
    else:
        assert_refused(inspect(content), reason, message)


def test_the_limits_are_of_the_pixels_and_of_the_shorter_side():
    content = encode(PICTURE, "PNG")  # 60 x 40
    assert inspect(content, max_pixels=2400, min_side=40) is None
    assert_refused(inspect(content, max_pixels=2399), Reason.TOO_LARGE, "at most 2399 are read")
    assert_refused(inspect(content, min_side=41), Reason.TOO_SMALL, "want 41 a side")
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
    assert_refused(decode(icon, 32), Reason.NOT_AN_IMAGE)


def test_a_program_in_postscript_is_not_run():
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
    assert Image.open(io.BytesIO(program)).format == "EPS"
    assert_refused(decode(program, 32), Reason.NOT_AN_IMAGE)


def with_bad_exif() -> bytes:
    """A whole JPEG whose EXIF says that a number is a text: it can be read, not written again."""
    exif = oriented(6)
    exif[ExifTags.Base.XResolution] = 72.0
    content = bytearray(encode(PICTURE.transpose(T.ROTATE_90), "JPEG", quality=95, exif=exif))
    tag = struct.pack(">HHI", ExifTags.Base.XResolution, 5, 1)
    at = content.index(tag)
    content[at : at + 8] = struct.pack(">HHI", 0x9205, 2, 4)  # a ratio by its tag, a text by type
    return bytes(content)


def test_a_photo_whose_exif_is_damaged_is_still_turned():
    assert differ(decode(with_bad_exif(), 32), decode(encode(PICTURE, "PNG"), 32)) < 3


def make_files() -> list[bytes]:
    picture = PICTURE.copy()
    ImageDraw.Draw(picture).ellipse((10, 5, 40, 30), "blue")
    options = {"exif": oriented(6)}
    files = [encode(picture, fmt, **options) for fmt in ("JPEG", "PNG", "WEBP", "TIFF")]
    files += [encode(picture, fmt) for fmt in ("GIF", "BMP", "PPM", "JPEG2000")]
    return [*files, encode(picture.convert("CMYK"), "JPEG"), encode(picture.convert("P"), "PNG")]


FILES = make_files()


@given(st.sampled_from(FILES), st.data())
def test_any_damage_ends_in_a_photo_or_a_refusal(content, data):
    damaged = bytearray(content)
    places = st.integers(0, 120) | st.integers(0, len(content) - 1)
    for at, value in data.draw(
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6)
    ):
        damaged[at] = value
    answer = decode(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]), 16)
    assert isinstance(answer, Refusal) or answer.shape == (16, 16, 3)
