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
    """Encode (height, width, 3) RGB as a JPEG without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """Make a data URI, which is an address that holds the content itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
