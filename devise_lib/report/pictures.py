"""Pictures as the page carries them: inside itself, as data URIs."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from devise_lib.report.projector import make_sprite

# The side in pixels of the pictures that the driver gets. The page makes them smaller where it
# would be too large. The quality is high because the page encodes them again.
THUMBNAIL_SIDE = 224
QUALITY = 88


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (height, width, 3) RGB as a JPEG without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def shrink(jpeg: bytes, side: int, quality: int) -> bytes:
    """Return a picture as a square WebP.

    Args:
        jpeg: as `encode_jpeg` makes it.
        side: of the square, in pixels.
        quality: from 0 to 100.
    """
    return _encode_webp(_resize(jpeg, side), quality)


def make_mosaic(jpegs: Sequence[bytes], side: int, quality: int) -> bytes:
    """Return n >= 1 pictures in one WebP, row by row, ceil(sqrt(n)) of them in a row.

    One file of many small pictures takes half the bytes of as many files.

    Args:
        jpegs: as `encode_jpeg` makes them.
        side: of each square, in pixels.
        quality: from 0 to 100.
    """
    tiles = np.stack([np.asarray(_resize(jpeg, side)) for jpeg in jpegs])
    return _encode_webp(Image.fromarray(make_sprite(tiles)), quality)


def data_uri(content: bytes, media_type: str) -> str:
    """Make a data URI, which is an address that holds the content itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _resize(jpeg: bytes, side: int) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (side, side))  # decodes fewer pixels where the side is small
    return image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)


def _encode_webp(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=2)  # 2: half the time of the default
    return buffer.getvalue()
