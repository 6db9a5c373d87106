"""Bytes of a photo to an RGB array, or the reason why not."""

import io
import sys
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

ImageFile.LOAD_TRUNCATED_IMAGES = False  # half a photo is a broken photo
Image.MAX_IMAGE_PIXELS = None  # we refuse by our own limit, from the header, before any decoding

MAX_PIXELS = 64_000_000
MIN_SIDE = 8

# What Pillow may try. Its other readers would run a program (EPS), or open a picture within the
# picture whose size the header does not tell (ICO, ICNS).
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")
PLAIN_FORMATS = ("JPEG", "PNG", "BMP")  # that every decoder reads

UNSUPPORTED_MAGIC = (  # known formats that are pictures or documents, but not photos that we read
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML, perhaps SVG"),
    (b"8BPS", "Photoshop"),
)
ISO_MEDIA_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")

TURNS = {  # EXIF orientation -> what makes the photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Reason(StrEnum):
    """Why a photo is in quarantine."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    DECODE_ERROR = "decode_error"
    NOT_FINITE = "not_finite"
    NO_LABEL = "no_label"  # its list, or its data set's class names, have none for it


@dataclass(frozen=True)
class Refusal:
    """A photo that cannot be used: a class of reasons, and what was wrong with this one."""

    reason: Reason
    message: str


def inspect(
    content: bytes, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE
) -> Refusal | None:
    """What the header alone tells against a photo; None if it may be decoded.

    Costs microseconds and no pixels, so that a bomb (a small file that decodes to gigabytes)
    is refused before it is opened.
    """
    opened = _open(content, max_pixels, min_side)
    return opened if isinstance(opened, Refusal) else None


def decode(
    content: bytes, size: int, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE
) -> NDArray[np.uint8] | Refusal:
    """Decode, turn by EXIF, and fit to a square: the short side scaled to `size`, centre kept.

    Args:
        content: the file.
        size: side of the square, pixels.
        max_pixels: photos with more, by their header, are refused as a bomb.
        min_side: photos with a shorter side are refused.

    Returns:
        (size, size, 3) RGB in [0, 255]; greyscale, palette, CMYK and 16-bit photos are converted,
        transparency lies on white, of an animation the first frame is taken.
    """
    opened = _open(content, max_pixels, min_side)
    if isinstance(opened, Refusal):
        return opened
    try:
        with opened as image:
            if image.format == "JPEG":
                image.draft("RGB", (size, size))  # decodes at 1/2, 1/4 or 1/8 where that is enough
            return np.asarray(_fit(_to_rgb(_upright(image)), size))
    except Exception as e:  # a damaged file makes Pillow raise anything; it costs a row, not a job
        text = str(e) or type(e).__name__
        cut = any(
            word in text.lower() for word in ("truncated", "unexpected end", "eof", "not enough")
        )
        return Refusal(Reason.TRUNCATED if cut else Reason.DECODE_ERROR, text)


def decode_inspected(content: bytes, size: int) -> NDArray[np.uint8] | Refusal:
    """`decode` for a photo of PHOTOS: its size was judged at ingest, by that job's own limits."""
    return decode(content, size, max_pixels=sys.maxsize, min_side=1)


def is_plain(content: bytes) -> bool:
    """Whether any decoder gives the same photo: common format, upright, RGB or grey, opaque."""
    opened = _open(content, sys.maxsize, 1)
    if isinstance(opened, Refusal):
        return False
    with opened as image:
        upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        opaque = "transparency" not in image.info
        return image.format in PLAIN_FORMATS and image.mode in ("RGB", "L") and upright and opaque


def _open(content: bytes, max_pixels: int, min_side: int) -> Image.Image | Refusal:
    if not content:
        return Refusal(Reason.EMPTY, "the file has no bytes")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        kind = _unsupported(content)
        if kind:
            return Refusal(Reason.UNSUPPORTED_FORMAT, f"{kind} is not read")
        return Refusal(Reason.NOT_AN_IMAGE, f"no known format; starts with {content[:8]!r}")
    except Exception as e:  # as in decode
        return Refusal(Reason.DECODE_ERROR, f"header: {str(e) or type(e).__name__}")
    width, height = image.size
    if width * height > max_pixels:
        return Refusal(Reason.TOO_LARGE, f"{width}x{height} pixels, at most {max_pixels} are read")
    if min(width, height) < min_side:
        return Refusal(
            Reason.TOO_SMALL, f"{width}x{height} pixels, want {min_side} a side at least"
        )
    return image


def _unsupported(content: bytes) -> str:
    head = content[:256].lstrip()
    for magic, name in UNSUPPORTED_MAGIC:
        if head.startswith(magic):
            return name
    return "HEIF" if content[4:8] == b"ftyp" and content[8:12] in ISO_MEDIA_BRANDS else ""


def _upright(image: Image.Image) -> Image.Image:
    """Turned by EXIF. Pillow's own function writes the EXIF anew, too, which a bad one breaks."""
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB."""
    if image.mode.startswith("I") or image.mode == "F":  # 16 or 32 bits a grey value
        grey = np.nan_to_num(np.asarray(image, dtype=np.float64))
        deep = image.mode.startswith("I;16") or grey.max(initial=0.0) > 255
        top = 65535.0 if deep else 255.0
        return Image.fromarray((grey / top * 255).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _fit(image: Image.Image, size: int) -> Image.Image:
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)
