"""Restores the end of image files that lost their end but no pixel, so that a decoder accepts them.

Cards, downloads and recovery tools cut or pad files by a few bytes. A decoder refuses such a file
just like one that is cut within its pixels.

Two kinds of JPEGs are not restored even if they have every pixel:

- those above MOST_PIXELS;
- those whose scan ends in zeros that are followed by more zeros than MOST_OF_A_SCAN. A scan without
  its last bytes would take such zeros for them.

Up to MOST_OF_A_SCAN zeros at the very end of a file count as bytes of its scan.
"""

import io
import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from devise_lib.vision.images.structure import kind_of, tile_parts_are_there

END_OF_IMAGE = b"\xff\xd9"  # of JPEG and of JPEG 2000
PADDING = b"\0\xff"  # the bytes behind a file on an erased card or in a sparse file
# A JPEG is decoded a few times as a whole, each time in some 10 ms and 3 MB per megapixel.
MOST_PIXELS = 32_000_000
STRIP_ROWS = 64  # rows of pixels that are compared at once
MOST_OF_A_SCAN = 4  # so many bytes of padding count as the scan's, as in a flat picture

# A marker within the data of a scan: neither a stuffed byte nor a restart marker.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
START_OF_SCAN, END_MARKER = 0xDA, 0xD9
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the three removed are no frames
RESTART = re.compile(rb"\xff[\xd0-\xd7]")

# Noise as a possible continuation of a scan; each piece begins with other bits. A piece is
# longer than an MCU, which has at most 10 blocks of 64 coefficients of 26 bits.
NOISE = tuple(
    first * 8 + random.Random(first).randbytes(4096).replace(b"\xff", b"\xfe")
    for first in (b"\xaa", b"\x55", b"\xfe")
)


def restore_end(content: bytes) -> bytes | None:
    """Returns the file with its end restored; None if pixels are missing.

    Args:
        content: a JPEG, WebP or JPEG 2000 file that ends too soon. Any other file gives None.
    """
    complete: Callable[[bytes], bytes | None] | None = {
        "JPEG": _restore_jpeg,
        "WebP": _restore_webp,
        "JPEG 2000": _restore_jpeg_2000,
    }.get(kind_of(content))
    try:
        return complete(content) if complete else None
    except (struct.error, IndexError, ValueError):  # the file is cut within a header
        return None


def _restore_jpeg(content: bytes) -> bytes | None:
    """Returns the JPEG with an end mark, if its pixels do not depend on what follows its last byte.

    A decoder that still waits for pixels decodes different ones from each noise. After the last
    pixel it skips all noise.
    """
    if not _has_all_scans(content):
        return None
    restarts = RESTART.findall(content, content.rindex(b"\xff\xda"))
    for length in _possible_lengths(content):
        jpeg = content[:length]
        sequels = [b"", *(_sequel(noise, restarts) for noise in NOISE)]
        # An eighth of the size shows missing whole blocks in a tenth of the time.
        if all(
            _are_same(_pixels(jpeg, some, rough) for some in sequels[:last])
            for rough, last in ((True, 2), (False, None))
        ):
            return jpeg + END_OF_IMAGE
    return None


def _are_same(checksums: Iterator[int | None]) -> bool:
    """Returns whether all checksums are one number; computes none after the first that differs."""
    first = next(checksums)
    return first is not None and all(each == first for each in checksums)


def _possible_lengths(content: bytes) -> Sequence[int]:
    """Returns where a scan may end before padding; its own last bytes may look like padding."""
    scan = len(content.rstrip(PADDING))
    if len(content) - scan <= MOST_OF_A_SCAN:
        return range(scan, len(content) + 1)
    # The only byte of the padding that may belong to the scan is the zero after a byte 255.
    certain = content.rstrip(content[-1:])
    ends = {len(certain.rstrip(b"\xff")), len(certain) + certain.endswith(b"\xff")}
    return sorted(ends)


def _sequel(noise: bytes, restarts: list[bytes]) -> bytes:
    """Returns noise, a restart marker and noise again, because the cut may lie before a restart."""
    number = (restarts[-1][1] + 1) % 8 if restarts else 0
    return noise + bytes((0xFF, 0xD0 + number)) + noise


def _pixels(jpeg: bytes, sequel: bytes, rough: bool) -> int | None:
    """Returns a checksum of the pixels of a JPEG with a sequel; None if it cannot be decoded.

    Args:
        jpeg: up to the end of a scan, or less.
        sequel: the bytes between `jpeg` and the end mark.
        rough: decode at an eighth of the size, which shows no loss within a block.
    """
    try:
        content = io.BytesIO(b"".join((jpeg, sequel, END_OF_IMAGE)))
        with Image.open(content, formats=("JPEG",)) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                return None
            if rough:
                image.draft(None, (max(width // 8, 1), max(height // 8, 1)))
            image.load()
            checksum = 0
            for top in range(0, image.height, STRIP_ROWS):  # a copy of all is large
                bottom = min(top + STRIP_ROWS, image.height)
                strip = image.crop((0, top, image.width, bottom))
                checksum = zlib.crc32(strip.tobytes(), checksum)
            return checksum
    except Exception:  # a damaged file makes Pillow raise anything
        return None


@dataclass(frozen=True)
class _Scan:
    components: tuple[int, ...]
    first: int  # coefficient
    last: int  # coefficient
    low_bit: int  # the lowest bit of the coefficients that the scan gives


def _has_all_scans(jpeg: bytes) -> bool:
    """Returns whether the scans that complete each coefficient of each component have begun."""
    missing: set[tuple[int, int]] = set()  # (component, coefficient)
    for marker, payload in _segments(jpeg):
        if marker in FRAMES:
            coefficients = range(64 if marker in PROGRESSIVE else 1)
            components = payload[6 : 6 + 3 * payload[5] : 3]
            missing = {(name, k) for name in components for k in coefficients}
        elif marker == START_OF_SCAN:
            scan = _scan_of(payload)
            if scan.low_bit == 0:
                done = range(scan.first, scan.last + 1)
                missing -= {(name, k) for name in scan.components for k in done}
    return not missing


def _scan_of(header: bytes) -> _Scan:
    count = header[0]
    first, last, bits = header[1 + 2 * count : 4 + 2 * count]
    return _Scan(tuple(header[1 : 1 + 2 * count : 2]), first, last, bits & 15)


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and payload of each segment up to the end; skips the data of scans."""
    at = 2
    while at < len(jpeg):
        found = MARKER.search(jpeg, at)
        if not found or found[0][-1] == END_MARKER:
            return
        [length] = struct.unpack_from(">H", jpeg, found.end())
        at = found.end() + length
        yield found[0][-1], jpeg[found.end() + 2 : at]


def _restore_webp(content: bytes) -> bytes | None:
    """Returns the whole chunks, if the picture is among them."""
    at, seen = 12, set()
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        if at + 8 + length > len(content):
            break
        seen.add(name)
        at += 8 + length + length % 2
    # An animation's frames are in ANMF; its first one is the photo.
    if not seen & {b"VP8 ", b"VP8L", b"ANMF"}:
        return None
    chunks = content[12:at].ljust(at - 12, b"\0")  # the byte that makes a chunk even may be lost
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _restore_jpeg_2000(content: bytes) -> bytes | None:
    body = content.removesuffix(b"\xff")
    return body + END_OF_IMAGE if tile_parts_are_there(body) else None
