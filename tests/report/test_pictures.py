import base64
import io

import numpy as np
from PIL import Image

from devise_lib.report.pictures import data_uri, encode_jpeg, make_mosaic, shrink


def test_a_jpeg_has_the_pixels_and_nothing_else():
    pixels = np.full((20, 30, 3), (200, 40, 90), np.uint8)
    image = Image.open(io.BytesIO(encode_jpeg(pixels)))
    assert (image.format, image.size) == ("JPEG", (30, 20))
    assert "exif" not in image.info
    np.testing.assert_allclose(np.asarray(image), pixels, atol=4)


def test_a_data_uri_holds_its_content():
    head, _, body = data_uri(b"\x00\xff", "image/jpeg").partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(body) == b"\x00\xff"


def test_a_picture_is_made_smaller_as_webp():
    pixels = np.full((40, 40, 3), (200, 40, 90), np.uint8)
    image = Image.open(io.BytesIO(shrink(encode_jpeg(pixels), 24, 80)))
    assert (image.format, image.size) == ("WEBP", (24, 24))
    np.testing.assert_allclose(np.asarray(image), pixels[:24, :24], atol=8)


def test_a_mosaic_has_the_pictures_row_by_row():
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
    jpegs = [encode_jpeg(np.full((20, 20, 3), colour, np.uint8)) for colour in colours]
    image = Image.open(io.BytesIO(make_mosaic(jpegs, 16, 90)))
    assert image.size == (3 * 16, 2 * 16)
    for place, colour in enumerate(colours):
        middle = image.getpixel((place % 3 * 16 + 8, place // 3 * 16 + 8))
        np.testing.assert_allclose(middle, colour, atol=12)
