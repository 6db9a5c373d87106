"""Whatever bytes a photo has, it becomes an array or a Refusal, in bounded time and memory."""

import itertools
import struct
import zlib
from enum import IntEnum

import numpy as np
import pytest
from hypothesis import strategies as st

from devise_lib.reasons import Reason
from devise_lib.vision.images.decode import Refusal, decode, inspect
from devise_lib.vision.images.structure import MAGIC
from tests.crafted import (
    draw_picture,
    draw_rough,
    encode,
    jpeg_with,
    oriented,
    plain_files,
    png_chunk,
    png_of,
)  # fmt: skip
from tests.fuzz.conftest import limits
from tests.icc_profiles import (
    GREY_PROFILE,
    LABS_OF_INKS,
    LABS_OF_LIGHTS,
    SWAPPED,
    matrix_profile,
    table_profile,
)  # fmt: skip
from tests.tiff_files import DEFLATE, UNCOMPRESSED, tiff_of

# What Pillow says of a damaged directory is not what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SIZE = 16
MAX_PIXELS = 1_000_000
CPU_SECONDS, MEBIBYTES = 5.0, 150.0

PICTURE, ROUGH = draw_picture(24, 16), draw_rough(24, 16)
RGB = np.asarray(PICTURE)
GREY = RGB[..., :1]


def with_profiles() -> list[bytes]:
    grey, inks = PICTURE.convert("L"), PICTURE.convert("CMYK")
    profiles = (matrix_profile(SWAPPED), table_profile(b"RGB ", LABS_OF_LIGHTS))
    return [
        *(encode(PICTURE, fmt, icc_profile=p) for fmt in ("JPEG", "PNG") for p in profiles),
        encode(PICTURE.quantize(8), "PNG", icc_profile=profiles[0]),
        encode(grey, "PNG", icc_profile=GREY_PROFILE),
        encode(inks, "JPEG", icc_profile=table_profile(b"CMYK", LABS_OF_INKS)),
        png_of(RGB, before=png_chunk(b"gAMA", struct.pack(">I", 100_000))),
    ]


def tiffs() -> list[bytes]:
    samples = {
        2: (RGB, RGB.astype(np.uint16) * 257, np.concatenate([RGB, GREY], axis=2)),
        1: (GREY, GREY.astype(np.int8), GREY.astype(np.float32), GREY.astype(np.uint32)),
        5: (np.concatenate([RGB, GREY], axis=2),),
        6: (RGB,),
    }
    layouts = itertools.product("<>", (1, 2), (UNCOMPRESSED, DEFLATE), (0, 16))
    return [
        tiff_of(each, photometric, order, planar=planar, compression=compression, tile=tile)
        for order, planar, compression, tile in layouts
        for photometric, several in samples.items()
        for each in several
    ]


def jpegs() -> list[bytes]:
    options = itertools.product((False, True), (0, 2), (0, 2))
    plain = [
        encode(picture, "JPEG", progressive=progressive, subsampling=sampling,
               restart_marker_blocks=restarts)
        for progressive, sampling, restarts in options
        for picture in (PICTURE, ROUGH)
    ]  # fmt: skip
    turned = encode(ROUGH, "JPEG", exif=oriented(6))
    return [*plain, turned, jpeg_with(turned, 0xE1, b"Exif\0\0" + plain[0])] + [
        encode(PICTURE.copy(), fmt, save_all=True, append_images=[ROUGH.copy()])
        for fmt in ("MPO", "GIF", "WEBP", "PNG", "TIFF", "AVIF")
    ]


FAMILIES = [
    [*plain_files(PICTURE).values(), *plain_files(ROUGH).values()],
    with_profiles(),
    tiffs(),
    jpegs(),
    [encode(PICTURE.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")],
    [encode(PICTURE, fmt) for fmt in ("TGA", "PCX", "DDS", "QOI", "ICO", "SGI")],
    [b"P2 9 9 65535\n" + b"40000 " * 81, b"Pf\n9 9\n-1.0\n" + bytes(324)],
]
FILES = [content for family in FAMILIES for content in family]


def assert_photo_or_refusal(content: bytes) -> None:
    with limits(CPU_SECONDS, MEBIBYTES):
        header, answer = inspect(content, MAX_PIXELS), decode(content, SIZE, MAX_PIXELS)
    if isinstance(answer, Refusal):
        assert isinstance(answer.reason, Reason)
        assert answer.message
        assert header in (None, answer)
    else:
        assert header is None
        assert (answer.shape, answer.dtype) == ((SIZE, SIZE, 3), np.uint8)


def parts_of(content: bytes) -> list[int]:
    """Where the parts of a file may begin: after each mark of its format, else anywhere."""
    marks = {b"\xff\xd8": b"\xff", b"\x89P": b"IDAT", b"RI": b"VP8", b"GI": b","}
    mark = marks.get(content[:2])
    places = [0, len(content)]
    at = content.find(mark) if mark else -1
    while at >= 0 and len(places) < 40:
        places.append(at)
        at = content.find(mark, at + 1)
    return sorted(places)


def with_checksums(png: bytes) -> bytes:
    """The file with right checksums, without which no damage would be looked at."""
    content, at = bytearray(png), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4])
        content[end : end + 4] = zlib.crc32(content[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(content)


Damage = IntEnum("Damage", ["FLIP", "WRITE", "REMOVE", "INSERT", "RUN", "REPEAT", "CUT", "SPLICE"])
RUN = 50_000  # bytes, so that work which grows with their square takes seconds
# More often what a decoder may not see at once.
DAMAGES = [*Damage, *[Damage.FLIP] * 3, *[Damage.WRITE] * 7, Damage.REPEAT]


@st.composite
def damaged_files(draw) -> bytes:
    """A small real file with bytes flipped, cut, put in, moved, doubled, or of another file."""
    content = bytearray(draw(st.sampled_from(draw(st.sampled_from(FAMILIES)))))
    for _ in range(draw(st.integers(1, 4))):
        # Most of what a decoder believes stands at the start, in a TIFF also at the end.
        last = max(len(content) - 1, 4)
        place = draw(st.integers(4, last) | st.integers(4, min(last, 200)))
        place = draw(st.sampled_from([place, place, place, max(last - place, 4)]))
        match draw(st.sampled_from(DAMAGES)):
            case Damage.FLIP:
                content[place : place + 1] = bytes(
                    byte ^ 1 << draw(st.integers(0, 7)) for byte in content[place : place + 1]
                )
            case Damage.WRITE:
                piece = draw(st.sampled_from(NUMBERS) | st.binary(min_size=1, max_size=4))
                content[place : place + len(piece)] = piece
            case Damage.REMOVE:
                del content[place : place + draw(st.integers(1, 64))]
            case Damage.INSERT:
                content[place:place] = draw(st.binary(min_size=1, max_size=64))
            case Damage.RUN:
                content[place:place] = bytes([draw(st.sampled_from([0, 255, 208, 1]))]) * RUN
            case Damage.REPEAT:
                parts = parts_of(bytes(content))
                start, end, at = (draw(st.sampled_from(parts)) for _ in range(3))
                content[at:at] = content[start:end][:2000]
            case Damage.CUT:
                del content[place:]
            case Damage.SPLICE:
                other = draw(st.sampled_from(FILES))
                content[place:] = other[draw(st.integers(0, len(other) - 1)) :]
    if content.startswith(b"\x89PNG") and draw(st.booleans()):
        return with_checksums(bytes(content))
    return bytes(content)


NUMBERS = [
    struct.pack(f"{order}{letter}", number)
    for order in "<>"
    for letter, numbers in {"H": (0, 1, 255, 65535), "I": (0, 1, 2**31 - 1, 2**32 - 1)}.items()
    for number in numbers
]
STARTS = [magic for magics in MAGIC.values() for magic in magics]
STARTS += [
    b"BM",
    b"P3 9 9 ",
    b"P5\n9 9\n255\n",
    b"Pf\n9 9\n1\n",
    b"RIFF\x40\0\0\0WEBPVP8L",
    b"GIF89a",
]
STARTS += [b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", b"\0\0\0\x18ftypheic", b"8BPS", b"\0\0\2\0"]


def test_any_bytes_are_a_photo_or_a_refusal(fuzz):
    bodies = st.binary(max_size=400)
    anything = bodies | st.builds(lambda start, body: start + body, st.sampled_from(STARTS), bodies)
    fuzz(assert_photo_or_refusal, anything, examples=150)


def test_a_damaged_file_is_a_photo_or_a_refusal(fuzz):
    fuzz(assert_photo_or_refusal, damaged_files(), examples=250)


def test_the_files_themselves_are_no_refusals():
    """So that the damage to them is what is tried."""
    refused = [content[:16] for content in FILES if isinstance(decode(content, SIZE), Refusal)]
    assert len(refused) < len(FILES) / 6, refused
