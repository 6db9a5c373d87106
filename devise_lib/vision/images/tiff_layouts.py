"""Layouts of TIFF that Pillow would garble: read right where it can be led to, else refused.

TIFF keeps samples interleaved or in planes, in either byte order, of many types. Pillow reads most
combinations. Of the others it reads some as garbage, without an error. All of them are tried in
tests/vision/images/test_tiff_layouts.py.
"""

import contextlib
import io
from typing import Any

from PIL import TiffImagePlugin

WIDTH, HEIGHT, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
SAMPLES_PER_PIXEL, PLANAR, SAMPLE_FORMAT, SUBSAMPLING = 277, 284, 339, 530
INTERLEAVED, IN_PLANES = 1, 2
UNCOMPRESSED, DEFLATE = 1, 8
FILL_ORDER, LOW_BITS_FIRST = 266, 2
MAX_SAMPLE_VALUE = 281
FEW_BITS = {2**bits - 1 for bits in range(8, 16)}
DEEP_COLOURS = ("RGB", "RGBA", "CMYK")  # where Pillow makes 8 bits of 16
YCBCR = 6
COLOURS = {
    0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", YCBCR: "YCbCr",
    8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "camera's raw", 32844: "LogL",
    32845: "LogLuv", 34892: "camera's raw",
}  # fmt: skip
TYPES = {1: "", 2: ", signed", 3: ", float", 4: ", untyped", 5: ", complex", 6: ", complex"}
COMPRESSIONS = {  # those that Pillow has no name for
    32766: "NeXT", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000",
    34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 50002: "JPEG XL",
}  # fmt: skip
# libtiff gives samples in this machine's byte order. Of these raw modes Pillow takes the file's.
NATIVE = {
    "F;32F": "F;32NF", "F;32BF": "F;32NF", "I;16S": "I;16NS", "I;16BS": "I;16NS",
    "I;32S": "I;32NS", "I;32BS": "I;32NS",
}  # fmt: skip


def lead(image: TiffImagePlugin.TiffImageFile) -> str:
    """Make Pillow read an opened TIFF right, before it is loaded.

    Returns:
        "" where it will, else the layout that it would garble, for a refusal.

    Raises:
        Exception: any that a damaged directory makes Pillow raise.
    """
    tags = image.tag_v2
    in_planes = tags.get(PLANAR, INTERLEAVED) == IN_PLANES
    if in_planes and tags.get(SAMPLES_PER_PIXEL, 1) == 1:
        # Planes of one sample mean nothing, but Pillow would read samples of another type.
        _set_up_with(image, PLANAR, INTERLEAVED)
        in_planes = False
    if in_planes and image.mode in ("LA", "La", "PA", "LAB"):
        return _layout(tags)
    raw = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    subsampled = tags.get(PHOTOMETRIC) == YCBCR and tags.get(SUBSAMPLING, (2, 2)) != (1, 1)
    if raw and (subsampled or tags.get(FILL_ORDER) == LOW_BITS_FIRST or in_planes):
        # Pillow takes planes for 8 bits deep, and colours for whole ones. libtiff reads both, but
        # Pillow asks it about compressed samples alone.
        _set_up_with(image, COMPRESSION, DEFLATE)
    used = _numbers(tags, MAX_SAMPLE_VALUE)[0]
    if image.mode in DEEP_COLOURS and _numbers(tags, BITS_PER_SAMPLE)[0] == 16 and used in FEW_BITS:
        # Pillow keeps the upper half of each sample, where such samples have nearly nothing.
        return f"{_layout(tags)}, of which {int(used).bit_length()} are used"
    if image.use_load_libtiff:
        image.tile = [
            tile._replace(args=(NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
            for tile in image.tile
            if isinstance(tile.args, tuple)
        ]
    return ""


def unread_layout(content: bytes) -> str:
    """What a TIFF that Pillow cannot open keeps; "" if its directory makes no sense."""
    with contextlib.suppress(Exception):  # a damaged directory makes Pillow raise anything
        file = io.BytesIO(content)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if content[2:4] == b"+\0" else 8))
        file.seek(tags.next)
        tags.load(file)
        if tags[WIDTH] > 0 and tags[HEIGHT] > 0:
            return _layout(tags)
    return ""


def _set_up_with(image: TiffImagePlugin.TiffImageFile, tag: int, value: int) -> None:
    """Let Pillow plan its reading as if a tag had another value."""
    told = image.tag_v2.get(tag)
    image.tag_v2[tag] = value
    image._setup()
    if told is None:
        del image.tag_v2[tag]
    else:
        image.tag_v2[tag] = told


def _layout(tags: Any) -> str:
    """A layout in words: "RGB of 3 x 32 bits, float".

    Raises:
        KeyError: TIFF has no such colours, types or compression.
    """
    bits, types = _numbers(tags, BITS_PER_SAMPLE), _numbers(tags, SAMPLE_FORMAT)
    depth = "/".join(str(each) for each in sorted(set(bits)))
    layout = (
        f"{COLOURS[tags.get(PHOTOMETRIC, 0)]} of {tags.get(SAMPLES_PER_PIXEL, 1)} x {depth} bits"
    )
    planes = ", in planes" if tags.get(PLANAR) == IN_PLANES else ""
    compression = tags.get(COMPRESSION, UNCOMPRESSED)
    known = compression in TiffImagePlugin.COMPRESSION_INFO
    packed = "" if known else f", packed by {COMPRESSIONS[compression]}"
    return f"{layout}{TYPES[types[0]]}{planes}{packed}"


def _numbers(tags: Any, tag: int) -> tuple[int, ...]:
    value = tags.get(tag, (1,))
    return value if isinstance(value, tuple) else (value,)
