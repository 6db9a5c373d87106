"""Decodes the bytes of a photo to an RGB array, or refuses the photo with a reason."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from devise_lib.photo_limits import MAX_PIXELS, MIN_SIDE
from devise_lib.reasons import Reason
from devise_lib.vision.images import tiff_layouts
from devise_lib.vision.images.colour_profiles import apply_profile, gamma_table, profile_transform
from devise_lib.vision.images.deep_grey import is_deep_grey, to_eight_bits
from devise_lib.vision.images.missing_ends import restore_end
from devise_lib.vision.images.signatures import other_kind, unread_picture
from devise_lib.vision.images.structure import has_bad_checksum, is_cut, kind_of

ImageFile.LOAD_TRUNCATED_IMAGES = False  # a photo without all its pixels is refused
Image.MAX_IMAGE_PIXELS = None  # `_open` applies our own limit to the header, before decoding

# The formats that Pillow may try. Its other readers would run a program (EPS), or open a picture
# within the file whose size the header does not state (ICO, ICNS).
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")
PLAIN_FORMATS = ("JPEG", "PNG", "BMP")  # every decoder reads these

TURNS = {  # EXIF orientation -> the transposition that makes the photo upright
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
    """Why a photo cannot be used: the class of the reason, and a message about this photo."""

    reason: Reason
    message: str


def inspect(
    content: bytes, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE
) -> Refusal | None:
    """Checks the header of a photo; returns None if the photo may be decoded.

    The check takes microseconds and decodes no pixels. A decompression bomb (a small file that
    decodes to gigabytes) is therefore refused before it is opened.

    Args:
        content: the file.
        max_pixels: photos with more pixels are refused.
        min_side: photos with a shorter side, in pixels, are refused.
    """
    opened = _read(content, lambda whole: _open(whole, max_pixels, min_side))
    return opened if isinstance(opened, Refusal) else None


def decode(
    content: bytes, size: int, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE
) -> NDArray[np.uint8] | Refusal:
    """Decodes a photo, turns it upright by its EXIF tag, and fits it to a square.

    The short side is scaled to `size`, and the centre of the long side is kept.

    Args:
        content: the file.
        size: side of the square, pixels.
        max_pixels: photos with more pixels, by their header, are refused as decompression bombs.
        min_side: photos with a shorter side, in pixels, are refused.

    Returns:
        (size, size, 3) sRGB in [0, 255], or the refusal. Greyscale, palette, CMYK and 16-bit photos
        are converted. A photo's ICC profile, or else the gamma of a PNG, is applied. Transparent
        pixels are laid on white. The first frame of an animation is taken. A file whose end is
        missing is decoded if every pixel is there.
    """
    return _read(content, lambda whole: _decode(whole, size, max_pixels, min_side))


def decode_inspected(content: bytes, size: int) -> NDArray[np.uint8] | Refusal:
    """Decodes a photo of PHOTOS, as `decode` does, without limits on its size.

    The job that ingested the photo has already applied its own limits.
    """
    return decode(content, size, max_pixels=sys.maxsize, min_side=1)


def is_plain(content: bytes) -> bool:
    """Returns whether every decoder decodes the photo to the same pixels.

    Such a photo is of a common format, whole, upright, RGB or grey, opaque, and in sRGB.
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
    """Calls `read` with a file; once more with the completed file if only its end is missing."""
    answer = read(content)
    if isinstance(answer, Refusal) and answer.reason is Reason.TRUNCATED:
        whole = restore_end(content)
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
    # Zeros behind a truncated JPEG may decode as pixels, and a truncated JPEG 2000 as blank.
    if opened.format in ("JPEG", "MPO", "JPEG2000") and is_cut(content):
        return Refusal(Reason.TRUNCATED, "truncated: the end of its pixel data is missing")
    try:
        with opened as image:
            image.draft("RGB", (size, size))  # decodes a JPEG at 1/2, 1/4 or 1/8 if that is enough
            image.load()
            square = _to_square(image, size)
            turn = _turn(image)
            return np.asarray(square if turn is None else square.transpose(turn))
    except Exception as e:  # Pillow raises anything on a damaged file, which must not stop a job
        return _damaged(content, str(e) or type(e).__name__)


def _open(content: bytes, max_pixels: int, min_side: int) -> Image.Image | Refusal:
    if not content:
        return Refusal(Reason.EMPTY, "the file has no bytes")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        garbled = ""
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            garbled = tiff_layouts.avoid_misreading(image)
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
            Reason.TOO_SMALL, f"{width}x{height} pixels, want at least {min_side} per side"
        )
    if garbled:
        return Refusal(Reason.UNSUPPORTED_FORMAT, f"TIFF, {garbled}, is not read")
    return image


def _unidentified(content: bytes) -> Refusal:
    """Says what a file is that Pillow does not open."""
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
    """Returns the transposition that makes a loaded photo upright, by its EXIF; None for an upright
    one.

    The photo must be loaded for two reasons. Pillow turns a TIFF on loading and removes the tag,
    and a PNG may have its EXIF behind its pixels. Pillow's own function for all formats rewrites
    the EXIF, which fails for a damaged one. Here, an EXIF that cannot be read turns nothing.
    """
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return None


def _to_square(image: Image.Image, size: int) -> Image.Image:
    """Fits a loaded image to an RGB square in sRGB."""
    transform, table = profile_transform(image), gamma_table(image)
    if transform is None:
        square = _fit(_to_rgb(image), size)
        return square if table is None else square.point(table * 3)
    # Only the profile tells what the inks or greys mean.
    keeps = image.mode == transform.input_mode == "CMYK"
    return apply_profile(_fit(image if keeps else _to_rgb(image), size), transform)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Converts an image of any mode to RGB."""
    if is_deep_grey(image):
        return to_eight_bits(image).convert("RGB")
    if image.mode == "La":  # grey times its opacity, which Pillow converts to LA only
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # `convert` would copy an RGB one


def _tile(image: Image.Image) -> tuple[int, int]:
    """Returns width and height of a TIFF's tiles, each of which is decoded whole even in a small
    photo.
    """
    sides = _tag(image, ExifTags.Base.TileWidth), _tag(image, ExifTags.Base.TileLength)
    across, down = (side if isinstance(side, int) else 0 for side in sides)
    return across, down


def _tag(image: Image.Image, tag: ExifTags.Base) -> object:
    """Returns a number of a TIFF's directory; None for another format or a missing tag."""
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def _fit(image: Image.Image, size: int) -> Image.Image:
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)
