"""Conversion of grey samples of more than eight bits to eight bits.

The range of the samples is determined by the first of these rules that applies:

1. The maximum that a TIFF states (tags MaxSampleValue and SMaxSampleValue). Some programs write the
   brightest sample of the photo there instead. A stated maximum of unsigned integers therefore
   counts only if it is that of a number of bits: 1023, 4095 and the like. A stated maximum of
   signed integers and floats that equals the brightest sample counts only if it is such a number or
   a power of ten.
2. The type. Unsigned samples of up to 16 bits use their whole range.
3. The samples, for types whose whole range few files use: signed integers, 32 bits, floats. White
   is the least of 255, 65535 and the type's maximum that holds nine tenths of the samples above 0.
   Floats have their white at 1, unless half of the samples above 0 lie beyond 4.

Highlights therefore decide nothing: samples beyond the maximum become white. Negative samples are
black unless the tags state a negative minimum.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
STATED_MINIMUM, STATED_MAXIMUM = (340, 280), (341, 281)  # SMin and Min, SMax and Max
UNSIGNED, SIGNED = 1, 2  # of tag SampleFormat
WHITE_IS_ZERO = 0  # of tag PhotometricInterpretation

BULK = 0.9  # the share of the samples above 0 that a usual maximum must hold
# Float samples may go beyond 1, as in a scene with lamps. Their median stays below this number.
MEDIAN_OF_SHARES = 4.0
# Integers of which few are beyond 1 are a mask. Counts in a dark photo have more beyond 1.
BULK_OF_A_MASK = 0.999


@dataclass(frozen=True)
class _Kind:
    """How the samples are to be read.

    Attributes:
        dtype: of the samples, where Pillow's array has another type of the same width.
        maxima: the usual maxima of such samples, rising; no sample is beyond the last one.
    """

    dtype: type | None
    maxima: tuple[float, ...]


def is_deep_grey(image: Image.Image) -> bool:
    """Returns whether `to_eight_bits` must convert a loaded image; true also for signed bytes."""
    signed = image.mode == "L" and _number(image, SAMPLE_FORMAT) == SIGNED
    return image.mode.startswith("I") or image.mode == "F" or signed


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Converts a loaded image of deep grey to mode L; infinite samples and NaN become black."""
    kind = _kind(image)
    samples = np.asarray(image)
    if kind.dtype is not None:
        samples = samples.view(kind.dtype)
    grey = np.nan_to_num(samples.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = _range(grey, kind, image)
    # Pillow inverts such images only if they have 8 bits.
    grey = high - grey if _number(image, PHOTOMETRIC) == WHITE_IS_ZERO else grey - low
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[samples == clear] = high - low
    return Image.fromarray(np.rint(grey / (high - low) * 255).clip(0, 255).astype(np.uint8))


def _kind(image: Image.Image) -> _Kind:
    if image.format == "PPM":  # Pillow has already scaled the samples
        return _Kind(None, (1.0 if image.mode == "F" else 65535.0,))
    bits, sample_format = _number(image, BITS_PER_SAMPLE), _number(image, SAMPLE_FORMAT)
    match image.mode, sample_format or UNSIGNED, bits:
        case "F", _, _:
            return _Kind(None, (1.0, 255.0, 65535.0, 2.0**32 - 1))
        case "L", _, _:
            return _Kind(np.int8, (127.0,))
        case "I", 2, 16:
            return _Kind(None, (255.0, 32767.0))
        case "I", 1, 32:
            return _Kind(np.uint32, (255.0, 65535.0, 2.0**32 - 1))
        case "I", _, _:
            return _Kind(None, (255.0, 65535.0, 2.0**31 - 1))
        case _, _, 12:
            return _Kind(None, (4095.0,))
    return _Kind(None, (65535.0,))


def _range(grey: NDArray[np.float32], kind: _Kind, image: Image.Image) -> tuple[float, float]:
    """Returns the black and the white level of finite samples (height, width)."""
    positive = grey[grey > 0]
    high = kind.maxima[-1]
    for maximum in reversed(kind.maxima[:-1]):
        if _holds(maximum, positive):
            high = maximum
    lowest = _first(image, STATED_MINIMUM) or 0.0
    below = lowest < 0 and np.mean(grey < 0) > 1 - BULK  # else it marks missing values
    low = lowest if below else 0.0
    stated = _first(image, STATED_MAXIMUM)
    if stated is not None and stated > low and _holds(stated, positive):
        is_unsigned = image.mode != "F" and _number(image, SAMPLE_FORMAT) in (None, UNSIGNED)
        is_brightest = np.float32(stated) == grey.max()
        if is_unsigned:
            is_range = _is_of_bits(stated)
        elif is_brightest:
            is_range = _is_of_bits(stated) or (stated > 0 and np.log10(stated).is_integer())
        else:
            is_range = not high / 2 < stated < high * 2
        high = stated if is_range else high
    return low, high


def _is_of_bits(stated: float) -> bool:
    """Returns whether a number is the maximum of a number of bits: 0, 1, 3, 7 and so on."""
    return stated >= 0 and bool(np.log2(stated + 1).is_integer())


def _holds(maximum: float, positive: NDArray[np.float32]) -> bool:
    if not positive.size:
        return True
    if maximum == 1:
        are_whole = np.mean(positive == np.rint(positive)) > 0.5
        if not are_whole:
            return bool(np.median(positive) <= MEDIAN_OF_SHARES)
        return bool(np.mean(positive <= maximum) >= BULK_OF_A_MASK)
    return bool(np.mean(positive <= maximum) >= BULK)


def _first(image: Image.Image, tags: tuple[int, ...]) -> float | None:
    numbers = (_number(image, tag) for tag in tags)
    return next((number for number in numbers if number is not None), None)


def _number(image: Image.Image, tag: int) -> float | None:
    """Returns the first number of a TIFF's tag; None for another format or no finite number."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    value: Any = image.tag_v2.get(tag)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int | float) and np.isfinite(value) else None
