import base64
import io

import numpy as np
from PIL import Image

from devise_lib.report.pictures import data_uri, encode_jpeg


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
