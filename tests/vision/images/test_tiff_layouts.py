"""Each layout of TIFF is read as what it holds, or is refused by its name; none is garbled.

The kind of fault: a decoder reads a layout that it does not support as another one, without an
error. Pillow reads planes of 16 bits as planes of 8, floats in the other byte order, signed bytes
as unsigned ones, grey whose 0 is white as a negative, and more. So the combinations are tried here.
"""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageCms

from devise_lib.reasons import Reason
from devise_lib.vision.images.decode import Refusal, decode, inspect
from tests.crafted import draw_picture, encode, retag
from tests.tiff_files import DEFLATE, UNCOMPRESSED, tiff_of, with_directory

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SIZE = 40
PICTURE = draw_picture(SIZE, SIZE)
RGB = np.asarray(PICTURE)
GREY = np.asarray(PICTURE.convert("L"))[..., None]
GREYS = np.repeat(GREY, 3, axis=2)
YCBCR = np.asarray(PICTURE.convert("YCbCr"))
LAB = np.asarray(
    ImageCms.profileToProfile(
        PICTURE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
)
SHARE = np.linspace(0, 1, SIZE)[None, :, None] * np.ones((SIZE, 1, 1))  # opaque to the right
ALPHA = (SHARE * 255).round().astype(np.uint8)
ON_WHITE = RGB * (ALPHA / 255) + 255 * (1 - ALPHA / 255)
GREY_ON_WHITE = np.repeat(GREY * (ALPHA / 255) + 255 * (1 - ALPHA / 255), 3, axis=2)
PREMULTIPLIED = (RGB * (ALPHA / 255)).round().astype(np.uint8)
INKS = np.concatenate([255 - RGB, np.zeros_like(GREY)], axis=2)
PALETTE = PICTURE.quantize(200)
COLOUR_MAP = np.array((PALETTE.getpalette() + [0] * 768)[:768]).reshape(256, 3).T.ravel() * 257
RGB_16 = RGB.astype(np.uint16) * 257
UNIT = GREY / np.float32(255)


def few(bits: int) -> np.ndarray:
    return np.round(GREY / 255 * (2**bits - 1)).astype(np.uint32)


def of_few(bits: int) -> np.ndarray:
    return np.repeat(few(bits) / (2**bits - 1) * 255, 3, axis=2)


def beside(*planes: np.ndarray) -> np.ndarray:
    return np.concatenate(planes, axis=2)


# Samples, photometric, the picture, options.
READ = {
    "RGB": (RGB, 2, RGB, {}),
    "RGB of 16 bits": (RGB_16, 2, RGB, {}),
    "RGB with opacity": (beside(RGB, ALPHA), 2, ON_WHITE, {"t338": 2}),
    "RGB times its opacity": (beside(PREMULTIPLIED, ALPHA), 2, ON_WHITE, {"t338": 1}),
    "16 bits with opacity": (beside(RGB, ALPHA).astype("u2") * 257, 2, ON_WHITE, {"t338": 2}),
    "four samples, untold": (beside(RGB, np.full_like(GREY, 255)), 2, RGB, {}),
    "RGB of 16 bits and another": (beside(RGB, ALPHA).astype("u2") * 257, 2, RGB, {"t338": 0}),
    "CMYK": (INKS, 5, RGB, {}),
    "CMYK of 16 bits": (INKS.astype(np.uint16) * 257, 5, RGB, {}),
    "YCbCr": (YCBCR, 6, RGB, {"t530": ("H", [1, 1])}),
    "grey": (GREY, 1, GREYS, {}),
    "0 is white": (255 - GREY, 0, GREYS, {}),
    "grey of signed bytes": ((GREY // 2).astype(np.int8), 1, GREYS, {}),
    "grey of 16 bits": (GREY.astype(np.uint16) * 257, 1, GREYS, {}),
    "grey of 16 bits, signed": (GREY.astype(np.int16) * 128, 1, GREYS, {}),
    "grey of 32 bits, signed": (GREY.astype(np.int32) * 257, 1, GREYS, {}),
    "float": (UNIT, 1, GREYS, {}),
    "float, 0 is white": (1 - UNIT, 0, GREYS, {}),
    "palette": (np.asarray(PALETTE)[..., None], 3, np.asarray(PALETTE.convert("RGB")), {
        "t320": ("H", COLOUR_MAP.tolist())
    }),
    **{f"grey of {n} bits": (few(n), 1, of_few(n), {"bits": n}) for n in (1, 2, 4)},
    **{f"{n} bits, 0 is white": (2**n - 1 - few(n), 0, of_few(n), {"bits": n}) for n in (1, 2, 4)},
}  # fmt: skip
# Read in some layouts alone.
PARTLY_READ = {
    "grey with opacity": (beside(GREY, ALPHA), 1, GREY_ON_WHITE, {"t338": 2}),
    "grey and another sample": (beside(GREY, ALPHA), 1, GREYS, {"t338": 0}),
    "RGB and another sample": (beside(RGB, ALPHA), 2, RGB, {"t338": 0}),
    "RGB and two others": (beside(RGB, ALPHA, ALPHA), 2, RGB, {"t338": ("H", [0, 0])}),
    "CIELab": (LAB, 8, RGB, {}),
    "grey of 12 bits": (few(12), 1, GREYS, {"bits": 12}),
    "grey of 32 bits": (GREY.astype(np.uint32) * 16_843_009, 1, GREYS, {}),
    "16 bits, 0 is white": (65535 - GREY.astype(np.uint16) * 257, 0, GREYS, {}),
}
UNREAD = {
    "RGB of floats": (RGB / np.float32(255), 2, RGB, {}),
    "grey of doubles": (GREY / 255, 1, GREYS, {}),
    "grey of half floats": (UNIT.astype(np.float16), 1, GREYS, {}),
    "RGB of 32 bits": (RGB.astype(np.uint32) * 16_843_009, 2, RGB, {}),
    "RGB, signed": ((RGB // 2).astype(np.int8), 2, RGB, {}),
    "grey of 64 bits": (GREY.astype(np.uint64) << 56, 1, GREYS, {}),
    "grey of 10 bits": (few(10), 1, GREYS, {"bits": 10}),
    "grey of 14 bits": (few(14), 1, GREYS, {"bits": 14}),
    "RGB of 4 bits": (RGB >> 4, 2, RGB, {"bits": 4}),
}
LAYOUTS = [
    {"order": order, "planar": planar, "compression": compression, **blocks}
    for order, planar, compression, blocks in itertools.product(
        "<>", (1, 2), (UNCOMPRESSED, DEFLATE), ({}, {"rows": 7}, {"tile": 16})
    )
]


def outcomes(samples, photometric, picture, options) -> list[str]:
    """What becomes of each layout: "read", "refused" by its name, else what is wrong."""
    found = []
    for layout in LAYOUTS:
        content = tiff_of(samples, photometric, **layout, **options)
        answer = decode(content, SIZE)
        if not isinstance(answer, Refusal):
            difference = np.abs(answer.astype(float) - picture).mean()
            found.append("read" if difference < 2.5 else f"{layout}: differs by {difference}")
        elif answer.reason is Reason.UNSUPPORTED_FORMAT and answer.message.startswith("TIFF, "):
            assert inspect(content) == answer
            found.append("refused")
        else:
            found.append(f"{layout}: {answer}")
    return found


@pytest.mark.parametrize("name", READ)
def test_these_samples_are_read_in_every_layout(name):
    assert set(outcomes(*READ[name])) == {"read"}


@pytest.mark.parametrize("name", PARTLY_READ)
def test_these_samples_are_read_or_refused_by_name(name):
    assert set(outcomes(*PARTLY_READ[name])) == {"read", "refused"}


@pytest.mark.parametrize("name", UNREAD)
def test_these_samples_are_refused_by_name(name):
    assert set(outcomes(*UNREAD[name])) == {"refused"}


@pytest.mark.parametrize("order", "<>")
def test_16_bits_in_planes_are_the_photo_itself(order):
    planes = tiff_of(RGB_16, 2, order, planar=2)
    assert (decode(planes, SIZE) == RGB).all()


@pytest.mark.parametrize(
    ("samples", "predictor"), [(RGB, 2), (RGB_16, 2), (GREY.astype("u2") * 257, 2), (UNIT, 3)]
)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [1, 2])
def test_differences_are_summed_up(samples, predictor, order, planar):
    photometric = {3: 2, 1: 1}[samples.shape[2]]
    content = tiff_of(
        samples, photometric, order, planar=planar, compression=DEFLATE, predictor=predictor
    )
    assert (
        np.abs(decode(content, SIZE).astype(float) - (RGB if photometric == 2 else GREYS)).mean()
        < 1
    )


@pytest.mark.parametrize("compression", [UNCOMPRESSED, DEFLATE])
@pytest.mark.parametrize("name", ["RGB", "grey", "0 is white", "grey of 1 bits", "grey of 4 bits"])
def test_bits_that_begin_with_the_lowest_are_mirrored(name, compression):
    samples, photometric, picture, options = READ[name]
    content = tiff_of(samples, photometric, compression=compression, low_bits_first=True, **options)
    assert np.abs(decode(content, SIZE).astype(float) - picture).mean() < 1


@pytest.mark.parametrize(
    ("sides", "told"),
    [((2, 2), True), ((2, 1), True), ((1, 2), True), ((4, 2), True), ((2, 2), False)],
)
def test_colours_at_a_fraction_of_the_resolution(sides, told):
    """Uncompressed, where Pillow takes the bytes for whole triples; 2 x 2 is what is untold."""
    across, down = sides
    high, wide = SIZE // down, SIZE // across
    blocks = YCBCR.reshape(high, down, wide, across, 3)
    light = blocks[..., 0].swapaxes(1, 2).reshape(high, wide, -1)
    colours = blocks[..., 1:].mean(axis=(1, 3)).round().astype(np.uint8)
    data = np.concatenate([light, colours], axis=2).tobytes()
    values = {
        256: ("I", [SIZE]), 257: ("I", [SIZE]), 258: ("H", [8, 8, 8]), 259: ("H", [1]),
        262: ("H", [6]), 273: ("I", [8]), 277: ("H", [3]), 278: ("I", [SIZE]),
        279: ("I", [len(data)]),
    }  # fmt: skip
    values |= {530: ("H", [across, down])} if told else {}
    assert np.abs(decode(with_directory(data, values), SIZE).astype(float) - RGB).mean() < 4


def test_the_name_tells_what_a_refused_layout_is():
    floats = decode(tiff_of(RGB / np.float32(255), 2), SIZE)
    assert floats.message == "TIFF, RGB of 3 x 32 bits, float, is not read"
    planes = decode(tiff_of(beside(GREY, ALPHA), 1, planar=2, t338=2), SIZE)
    assert planes.message == "TIFF, grey of 2 x 8 bits, in planes, is not read"
    packed = decode(retag(encode(PICTURE, "TIFF"), 259, 34712), SIZE)
    assert packed.message == "TIFF, RGB of 3 x 8 bits, packed by JPEG 2000, is not read"


def test_colours_of_which_only_low_bits_are_used_are_refused_rather_than_black():
    content = tiff_of(RGB_16 >> 4, 2, t281=("H", [4095] * 3))
    answer = decode(content, SIZE)
    assert answer.reason is Reason.UNSUPPORTED_FORMAT
    assert answer.message == "TIFF, RGB of 3 x 16 bits, of which 12 are used, is not read"
    brightest = tiff_of(RGB_16, 2, t281=("H", [40_000, 39_000, 65_535]))  # of this photo
    assert (decode(brightest, SIZE) == RGB).all()


def test_a_turned_photo_in_planes_is_upright():
    stored = np.asarray(PICTURE.transpose(Image.Transpose.ROTATE_90)).astype(np.uint16) * 257
    assert (decode(tiff_of(stored, 2, planar=2, t274=6), SIZE) == RGB).all()
