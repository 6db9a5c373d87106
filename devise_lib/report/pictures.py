"""Pictures as the page carries them: inside itself, as data URIs."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The page must stay under 2 MB, and the default settings show about 100 thumbnails. One of pure
# noise, which is the worst case for JPEG, takes 12 kB as a data URI.
THUMBNAIL_SIDE = 128  # pixels; about the width at which the page shows a photo
QUALITY = 70


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG of (height, width, 3) RGB, without any metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """`content` as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
