"""TIFF layouts that Pillow would misread: reads them through libtiff where possible, else names
them.

TIFF keeps samples interleaved or in planes, in either byte order, and of many types. Pillow reads
most combinations, and misreads some of the others without an error.
tests/vision/images/test_tiff_layouts.py tries all combinations.
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
DEEP_COLOURS = ("RGB", "RGBA", "CMYK")  # modes in which Pillow reduces 16 bits to 8
YCBCR = 6
COLOURS = {
    0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", YCBCR: "YCbCr",
    8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "camera's raw", 32844: "LogL",
    32845: "LogLuv", 34892: "camera's raw",
}  # fmt: skip
TYPES = {1: "", 2: ", signed", 3: ", float", 4: ", untyped", 5: ", complex", 6: ", complex"}
COMPRESSIONS = {  # those unknown to Pillow
    32766: "NeXT", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000",
    34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 50002: "JPEG XL",
}  # fmt: skip
# libtiff returns samples in this machine's byte order. Pillow's raw modes for these types assume
# the file's order, so they are replaced by the native ones.
NATIVE = {
    "F;32F": "F;32NF", "F;32BF": "F;32NF", "I;16S": "I;16NS", "I;16BS": "I;16NS",
    "I;32S": "I;32NS", "I;32BS": "I;32NS",
}  # fmt: skip


def avoid_misreading(image: TiffImagePlugin.TiffImageFile) -> str:
    """Makes Pillow read an opened TIFF correctly; call this before the image is loaded.

    Returns:
        "" if Pillow will read the file correctly, else the layout that it would misread.

    Raises:
        Exception: any that Pillow raises for a damaged directory.
    """
    tags = image.tag_v2
    in_planes = tags.get(PLANAR, INTERLEAVED) == IN_PLANES
    if in_planes and tags.get(SAMPLES_PER_PIXEL, 1) == 1:
        # A single plane is the same as interleaved, but Pillow would assume another type.
        _set_up_with(image, PLANAR, INTERLEAVED)
        in_planes = False
    if in_planes and image.mode in ("LA", "La", "PA", "LAB"):
        return _layout(tags)
    raw = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    subsampled = tags.get(PHOTOMETRIC) == YCBCR and tags.get(SUBSAMPLING, (2, 2)) != (1, 1)
    if raw and (subsampled or tags.get(FILL_ORDER) == LOW_BITS_FIRST or in_planes):
        # Pillow assumes 8 bits for planes, and no subsampling. libtiff reads both correctly, but
        # Pillow uses it for compressed samples only.
        _set_up_with(image, COMPRESSION, DEFLATE)
    used = _numbers(tags, MAX_SAMPLE_VALUE)[0]
    if image.mode in DEEP_COLOURS and _numbers(tags, BITS_PER_SAMPLE)[0] == 16 and used in FEW_BITS:
        # Pillow keeps the upper 8 bits of each sample, of which such samples use nearly none.
        return f"{_layout(tags)}, of which {int(used).bit_length()} are used"
    if image.use_load_libtiff:
        image.tile = [
            tile._replace(args=(NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
            for tile in image.tile
            if isinstance(tile.args, tuple)
        ]
    return ""


def unread_layout(content: bytes) -> str:
    """Describes the layout of a TIFF that Pillow cannot open; "" if its directory makes no
    sense.
    """
    with contextlib.suppress(Exception):  # Pillow raises anything for a damaged directory
        file = io.BytesIO(content)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if content[2:4] == b"+\0" else 8))
        file.seek(tags.next)
        tags.load(file)
        if tags[WIDTH] > 0 and tags[HEIGHT] > 0:
            return _layout(tags)
    return ""


def _set_up_with(image: TiffImagePlugin.TiffImageFile, tag: int, value: int) -> None:
    """Lets Pillow plan its reading as if a tag had another value."""
    stated = image.tag_v2.get(tag)
    image.tag_v2[tag] = value
    image._setup()
    if stated is None:
        del image.tag_v2[tag]
    else:
        image.tag_v2[tag] = stated


def _layout(tags: Any) -> str:
    """Describes a layout in words: "RGB of 3 x 32 bits, float".

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
