"""Generates photos of the things; photo `i` of `total` is a pure function of seed, `i` and
`total`.
"""

import io
import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from devise_lib.errors import InputError
from devise_lib.sample.canvas import Canvas, Colour
from devise_lib.sample.drawing import draw_thing
from devise_lib.sample.scenes import draw_scene
from devise_lib.sample.things import THINGS, Thing
from devise_lib.sample.world import COLOURS

_LONG_SIDE = 400  # of the canvas, in pixels; photos are scaled from it
_USUAL_HABITAT = 0.8  # share of a thing's photos that show it in its usual habitat
_ORIENTATION_TAG = 0x0112

# encoding -> share of the photos
ENCODINGS = {
    "jpeg": 0.70,
    "jpeg_rotated": 0.07,
    "jpeg_grey": 0.03,
    "jpeg_cmyk": 0.03,
    "png": 0.04,
    "png_rgba": 0.02,
    "png_palette": 0.03,
    "png_grey16": 0.02,
    "webp": 0.04,
    "gif": 0.02,
}

# EXIF orientation -> the transposition in which the upright picture is stored
_STORED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


def iter_photos(start: int, stop: int, total: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields photos `start` to `stop` of `total`: (path below the sample's folder, encoded bytes).

    Ranges can be made separately and in any order. The labels take turns, so every label has `total
    / len(THINGS)` photos, or one more.

    Raises:
        InputError: not 0 <= start <= stop <= total.
    """
    if not 0 <= start <= stop <= total:
        raise InputError(
            f"want photos start to stop of total, 0 <= start <= stop <= total; got start {start}, "
            f"stop {stop}, total {total}"
        )
    return _make_photos(start, stop, total, seed)


def _make_photos(start: int, stop: int, total: int, seed: int) -> Iterator[tuple[str, bytes]]:
    digits = max(4, len(str(-(-total // len(THINGS)))))
    for i in range(start, stop):
        thing = THINGS[i % len(THINGS)]
        rng = random.Random(f"photo/{seed}/{i}")
        picture = draw_photo(thing, rng)
        encoding = rng.choices(list(ENCODINGS), list(ENCODINGS.values()))[0]
        content, extension = encode_photo(picture, encoding, rng)
        number = f"{i // len(THINGS) + 1:0{digits}d}"
        yield f"photos/{thing.label}/{thing.label}-{number}.{extension}", content


def draw_photo(thing: Thing, rng: random.Random) -> Image.Image:
    """Draws an upright RGB picture of `thing`, with 96 to 640 pixels on the long side."""
    aspect = rng.choice((1.0, 1.25, 4 / 3, 4 / 3, 1.5))
    width, height = _LONG_SIDE, round(_LONG_SIDE / aspect)
    if rng.random() < 0.35:
        width, height = height, width
    canvas = Canvas(width, height, COLOURS["grey"])
    usual = rng.random() < _USUAL_HABITAT
    draw_scene(canvas, thing.habitats[0] if usual else thing.habitats[1], rng)
    view = rng.random()  # far, usual or near
    reach = rng.uniform(0.26, 0.34) if view < 0.2 else rng.uniform(0.36, 0.48)
    if view > 0.85:
        reach = rng.uniform(0.52, 0.6)
    scale = reach * min(width, height)
    centre = (
        width * rng.uniform(0.4, 0.6) + (0.5 - reach) * rng.uniform(-0.3, 0.3) * width,
        height * rng.uniform(0.48, 0.58) + 0.05 * height,
    )
    canvas.place(
        centre, scale, rng.uniform(-0.13, 0.13), rng.random() < 0.5, rng.uniform(0.85, 1.15)
    )
    main, second = (_jitter(COLOURS[name], rng) for name in thing.colours[:2])
    draw_thing(canvas, thing, main, second, rng.random())
    long_side = _draw_long_side(rng)
    factor = long_side / max(width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    picture = canvas.image.resize(size, Image.Resampling.BILINEAR)
    return _expose(picture, rng)


def _jitter(colour: Colour, rng: random.Random) -> Colour:
    light = rng.uniform(0.86, 1.1)
    red, green, blue = (
        min(255, max(0, round(channel * light + rng.uniform(-8, 8)))) for channel in colour
    )
    return (red, green, blue)


def _draw_long_side(rng: random.Random) -> int:
    share = rng.random()
    if share < 0.8:
        return rng.randint(96, 320)
    return rng.randint(320, 480) if share < 0.95 else rng.randint(480, 640)


def _make_grain() -> NDArray[np.int16]:
    """Returns noise from which pieces are cut, because new noise would cost more than the photo."""
    noise = np.random.default_rng(20130605).normal(0.0, 1.0, (1024, 1024, 1))
    grain: NDArray[np.int16] = np.round(noise * 16).astype(np.int16)
    return grain


_GRAIN = _make_grain()


def _expose(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Returns the picture with grain and in another light: brighter, darker, warmer or colder."""
    pixels = np.asarray(picture).astype(np.int16)
    height, width = pixels.shape[:2]
    top, left = rng.randint(0, 1024 - height), rng.randint(0, 1024 - width)
    strength = rng.choice((0, 2, 4, 6))
    grain = (_GRAIN[top : top + height, left : left + width] * strength) >> 4
    gain = rng.uniform(0.82, 1.14)
    warmth = rng.uniform(-0.05, 0.05)
    gains = np.array([gain * (1 + warmth), gain, gain * (1 - warmth)]) * 256
    pixels = np.clip(((pixels.astype(np.int32) * gains.astype(np.int32)) >> 8) + grain, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def encode_photo(picture: Image.Image, encoding: str, rng: random.Random) -> tuple[bytes, str]:
    """Returns the bytes and the file extension of `picture` in one of ENCODINGS."""
    buffer = io.BytesIO()
    if encoding.startswith("jpeg"):
        _save_jpeg(picture, encoding, rng, buffer)
        return buffer.getvalue(), rng.choice(("jpg", "jpg", "jpg", "jpeg", "JPG"))
    if encoding == "webp":
        picture.save(buffer, "WEBP", quality=rng.randint(70, 90), method=0)
        return buffer.getvalue(), "webp"
    if encoding in ("gif", "png_palette"):
        picture = picture.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    elif encoding == "png_rgba":
        picture.putalpha(_round_corners(picture.size))
    elif encoding == "png_grey16":
        grey = np.asarray(picture.convert("L")).astype(np.uint16)
        picture = Image.fromarray(grey * 257)
    if encoding == "gif":
        picture.save(buffer, "GIF")
        return buffer.getvalue(), "gif"
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue(), "png"


def _save_jpeg(picture: Image.Image, encoding: str, rng: random.Random, buffer: io.BytesIO) -> None:
    quality = rng.randint(72, 94)
    if encoding == "jpeg_rotated":
        orientation = rng.choice(list(_STORED))
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = orientation
        picture.transpose(_STORED[orientation]).save(buffer, "JPEG", quality=quality, exif=exif)
        return
    mode = {"jpeg_grey": "L", "jpeg_cmyk": "CMYK"}.get(encoding, "RGB")
    picture.convert(mode).save(buffer, "JPEG", quality=quality)


def _round_corners(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), min(size) // 8, 255)
    return mask
