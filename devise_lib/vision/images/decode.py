"""Bytes of a photo to an RGB array, or the reason why not."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from devise_lib.reasons import Reason
from devise_lib.vision.images import tiff_layouts
from devise_lib.vision.images.colour_profiles import apply_profile, gamma_table, profile_transform
from devise_lib.vision.images.deep_grey import is_deep_grey, to_eight_bits
from devise_lib.vision.images.missing_ends import completed
from devise_lib.vision.images.signatures import other_kind, unread_picture
from devise_lib.vision.images.structure import has_bad_checksum, is_cut, kind_of

ImageFile.LOAD_TRUNCATED_IMAGES = False  # half a photo is a broken photo
Image.MAX_IMAGE_PIXELS = None  # we refuse by our own limit, from the header, before any decoding

MAX_PIXELS = 64_000_000
MIN_SIDE = 8

# What Pillow may try. Its other readers would run a program (EPS), or open a picture within the
# picture whose size the header does not tell (ICO, ICNS).
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")
PLAIN_FORMATS = ("JPEG", "PNG", "BMP")  # that every decoder reads

TURNS = {  # EXIF orientation -> what makes the photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


T = TypeVar("T")


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
    opened = _read(content, lambda whole: _open(whole, max_pixels, min_side))
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
        (size, size, 3) sRGB in [0, 255]. Greyscale, palette, CMYK and 16-bit photos are converted.
        A photo's ICC profile, or else the gamma of a PNG, is applied. Transparency lies on white.
        Of an animation the first frame is taken. A file whose end is missing is decoded if every
        pixel is there.
    """
    return _read(content, lambda whole: _decode(whole, size, max_pixels, min_side))


def decode_inspected(content: bytes, size: int) -> NDArray[np.uint8] | Refusal:
    """`decode` for a photo of PHOTOS: its size was judged at ingest, by that job's own limits."""
    return decode(content, size, max_pixels=sys.maxsize, min_side=1)


def is_plain(content: bytes) -> bool:
    """Whether any decoder gives the same photo.

    So it is of a common format and whole, upright, RGB or grey, opaque, and its colours are sRGB.
    """
    opened = _open(content, sys.maxsize, 1)
    if isinstance(opened, Refusal) or is_cut(content):
        return False
    with opened as image:
        opaque = "transparency" not in image.info
        plain = image.format in PLAIN_FORMATS and image.mode in ("RGB", "L") and opaque
        srgb = profile_transform(image) is None and gamma_table(image) is None
        return plain and srgb and _turn(image) is None


def _read(content: bytes, read: Callable[[bytes], T | Refusal]) -> T | Refusal:
    """What `read` makes of a file, or of the file with its end where that alone is missing."""
    answer = read(content)
    if isinstance(answer, Refusal) and answer.reason is Reason.TRUNCATED:
        whole = completed(content)
        return answer if whole is None else read(whole)
    return answer


def _decode(
    content: bytes, size: int, max_pixels: int, min_side: int
) -> NDArray[np.uint8] | Refusal:
    opened = _open(content, max_pixels, min_side)
    if isinstance(opened, Refusal):
        return opened
    if opened.format == "PNG" and has_bad_checksum(content):
        return Refusal(Reason.DECODE_ERROR, "the checksum of its pixels is wrong")
    # A decoder may take zeros behind a cut JPEG for pixels, and a cut JPEG 2000 for a blank.
    if opened.format in ("JPEG", "MPO", "JPEG2000") and is_cut(content):
        return Refusal(Reason.TRUNCATED, "truncated: its pixels have no end")
    try:
        with opened as image:
            image.draft("RGB", (size, size))  # a JPEG at 1/2, 1/4 or 1/8 where that is enough
            image.load()
            square = _to_square(image, size)
            turn = _turn(image)
            return np.asarray(square if turn is None else square.transpose(turn))
    except Exception as e:  # a damaged file makes Pillow raise anything; it costs a row, not a job
        return _damaged(content, str(e) or type(e).__name__)


def _open(content: bytes, max_pixels: int, min_side: int) -> Image.Image | Refusal:
    if not content:
        return Refusal(Reason.EMPTY, "the file has no bytes")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        garbled = ""
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            garbled = tiff_layouts.lead(image)
    except UnidentifiedImageError:
        return _unidentified(content)
    except Exception as e:  # as in decode
        return _damaged(content, f"header: {str(e) or type(e).__name__}")
    width, height = image.size
    for across, down in (image.size, _tile(image)):
        if across * down > max_pixels:
            message = f"{across}x{down} pixels, at most {max_pixels} are read"
            return Refusal(Reason.TOO_LARGE, message)
    if min(width, height) < min_side:
        return Refusal(
            Reason.TOO_SMALL, f"{width}x{height} pixels, want {min_side} a side at least"
        )
    if garbled:
        return Refusal(Reason.UNSUPPORTED_FORMAT, f"TIFF, {garbled}, is not read")
    return image


def _unidentified(content: bytes) -> Refusal:
    """What a file is that Pillow does not open."""
    kind = kind_of(content)
    if not kind:
        if name := unread_picture(content):
            return Refusal(Reason.UNSUPPORTED_FORMAT, f"{name} is not read")
        known = other_kind(content) or "no known format"
        return Refusal(Reason.NOT_AN_IMAGE, f"{known}; starts with {content[:8]!r}")
    answer = _damaged(content, f"header: no {kind} that can be read")
    if kind == "TIFF" and answer.reason is not Reason.TRUNCATED:
        layout = tiff_layouts.unread_layout(content)
        if layout:
            return Refusal(Reason.UNSUPPORTED_FORMAT, f"TIFF, {layout}, is not read")
    return answer


def _damaged(content: bytes, complaint: str) -> Refusal:
    reason = Reason.TRUNCATED if is_cut(content, complaint) else Reason.DECODE_ERROR
    return Refusal(reason, complaint)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes a loaded photo upright, by its EXIF; None for one that is.

    Loaded, since Pillow turns a TIFF itself then and takes the tag away, and a PNG may have its
    EXIF behind its pixels. Pillow's own function for all formats writes the EXIF anew, which a
    bad one breaks; one so bad that it cannot be read turns nothing.
    """
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return None


def _to_square(image: Image.Image, size: int) -> Image.Image:
    """A loaded image as an RGB square, in sRGB."""
    transform, table = profile_transform(image), gamma_table(image)
    if transform is None:
        square = _fit(_to_rgb(image), size)
        return square if table is None else square.point(table * 3)
    # What its inks or greys mean is known to the profile alone.
    keeps = image.mode == transform.input_mode == "CMYK"
    return apply_profile(_fit(image if keeps else _to_rgb(image), size), transform)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB."""
    if is_deep_grey(image):
        return to_eight_bits(image).convert("RGB")
    if image.mode == "La":  # grey times its opacity, of which Pillow makes nothing else
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


def _tile(image: Image.Image) -> tuple[int, int]:
    """Width and height of a TIFF's tiles: each is decoded whole, be the photo ever so small."""
    sides = _tag(image, ExifTags.Base.TileWidth), _tag(image, ExifTags.Base.TileLength)
    across, down = (side if isinstance(side, int) else 0 for side in sides)
    return across, down


def _tag(image: Image.Image, tag: ExifTags.Base) -> object:
    """A number of a TIFF's directory; None if it is no TIFF, or has none."""
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def _fit(image: Image.Image, size: int) -> Image.Image:
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)
