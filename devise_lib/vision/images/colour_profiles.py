"""Colour management: the ICC profile of a file, or the gamma of a PNG, converts its colours to
sRGB.

Both are applied to the square that a photo was fitted to, not to the whole photo, because that
costs little. A photo whose profile cannot be used is taken as sRGB, as is a photo without one.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from devise_lib.vision.images.deep_grey import is_deep_grey

# Profiles for print have some 2 MB, and those with precise tables up to 4 MB.
MAX_PROFILE_BYTES = 8 << 20
SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}  # name in a profile's header -> mode

ROUNDING = 1  # levels of 255 by which two versions of one profile differ

DISPLAY_GAMMA = 2.2  # approximately that of sRGB
MIN_GAMMA = 0.1  # smaller values, and those above its inverse, are taken for errors
GAMMA_TOLERANCE = 0.05  # as in libpng: 1/2.2 rounded to five digits changes nothing


def profile_transform(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """Returns the transform from an opened image's colours to sRGB, by its ICC profile.

    The `input_mode` of the transform is that of the profile. The result is None in these cases: the
    image has no profile; the profile is unreadable or for another kind of colours; the profile is
    that of sRGB.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 < len(profile) <= MAX_PROFILE_BYTES:
        return None
    mode = SPACES.get(profile[16:20])
    return _transform(profile, mode) if mode and mode == _colours_of(image) else None


def apply_profile(square: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    """Converts a square of mode RGB or CMYK to sRGB."""
    mode = transform.input_mode
    return transform.apply(square if square.mode == mode else square.convert(mode))


def gamma_table(image: Image.Image) -> list[int] | None:
    """Returns a lookup table from bytes to bytes for a loaded PNG whose gamma is not that of sRGB.

    The result is None for any other image. By PNG's rules, a profile and the statement that a photo
    is sRGB take precedence over the gamma. The primary colours of chunk cHRM are not applied.
    """
    gamma = image.info.get("gamma")
    if image.format != "PNG" or gamma is None or image.info.keys() & {"srgb", "icc_profile"}:
        return None
    if not MIN_GAMMA < gamma < 1 / MIN_GAMMA:
        return None
    exponent = 1 / (gamma * DISPLAY_GAMMA)
    if abs(exponent - 1) < GAMMA_TOLERANCE:
        return None
    return [round(255 * (value / 255) ** exponent) for value in range(256)]


def _colours_of(image: Image.Image) -> str:
    """Returns the mode of the profile that an image may have: "RGB", "L", "CMYK"; "" for none."""
    if image.mode in ("1", "L", "LA", "La") or is_deep_grey(image):
        return "L"
    if image.mode == "CMYK":
        return "CMYK"
    return "RGB" if image.mode in ("RGB", "RGBA", "RGBa", "P", "PA", "YCbCr") else ""


@lru_cache(maxsize=8)  # photos of one camera or program share a profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Builds a transform; None for a profile that is unusable or that changes no colour visibly."""
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if mode == "CMYK":
        return transform
    # sRGB itself has many versions, and most photos with a profile have one of them.
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    bands = len(mode)
    colours = np.stack(np.meshgrid(*[levels] * bands), axis=-1).reshape(1, -1, bands)
    before = Image.fromarray(colours if bands > 1 else colours[..., 0])
    after = np.asarray(transform.apply(before)).astype(int)
    differences = np.abs(after - np.asarray(before.convert("RGB")))
    return transform if differences.max() > ROUNDING else None
