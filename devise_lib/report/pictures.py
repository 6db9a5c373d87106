"""Pictures as the page carries them: inside itself, as data."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_SIDE = 160  # pixels; twice what is drawn, for fine screens
QUALITY = 80


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG of (height, width, 3) RGB, without any metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """`content` as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
