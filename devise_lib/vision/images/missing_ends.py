"""Files that lost their end but no pixel: the same file with an end, for a decoder to accept.

Cards, downloads and recovery tools cut or pad files by a few bytes. A decoder refuses such a file
as it refuses one that is cut within its pixels.

Two kinds of JPEGs stay cut though they may have every pixel:

- those above MOST_PIXELS;
- those whose scan ends in zeros, in front of more zeros than MOST_OF_A_SCAN. A scan that lacks its
  last bytes would take such zeros for them.

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
PADDING = b"\0\xff"  # what lies behind a file on an erased card or in a sparse file
# A JPEG is decoded whole, a few times: some 10 ms and 3 MB per megapixel each.
MOST_PIXELS = 32_000_000
STRIP_ROWS = 64  # of pixels that are compared at once
MOST_OF_A_SCAN = 4  # bytes like padding that are taken for a scan's own, as in a flat picture

# A marker within the data of a scan: no stuffed byte, and no mark of a restart.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
START_OF_SCAN, END_MARKER = 0xDA, 0xD9
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the others are tables
RESTART = re.compile(rb"\xff[\xd0-\xd7]")

# What a scan could go on with: noise, which begins with other bits each time. A piece of it is
# longer than an MCU, which has at most 10 blocks of 64 coefficients of 26 bits.
NOISE = tuple(
    first * 8 + random.Random(first).randbytes(4096).replace(b"\xff", b"\xfe")
    for first in (b"\xaa", b"\x55", b"\xfe")
)


def completed(content: bytes) -> bytes | None:
    """The file with its end, if every pixel is there; None if pixels are missing.

    Args:
        content: a JPEG, WebP or JPEG 2000 file that ends too soon; None for any other.
    """
    complete: Callable[[bytes], bytes | None] | None = {
        "JPEG": _completed_jpeg,
        "WebP": _completed_webp,
        "JPEG 2000": _completed_jpeg_2000,
    }.get(kind_of(content))
    try:
        return complete(content) if complete else None
    except (struct.error, IndexError, ValueError):  # the file is cut within a header
        return None


def _completed_jpeg(content: bytes) -> bytes | None:
    """The JPEG with an end mark, if its pixels are the same whatever follows its last byte.

    A decoder that still waits for pixels makes other ones of each noise. After the last pixel it
    skips all noise.
    """
    if not _has_all_scans(content):
        return None
    restarts = RESTART.findall(content, content.rindex(b"\xff\xda"))
    for length in _possible_lengths(content):
        jpeg = content[:length]
        sequels = [b"", *(_sequel(noise, restarts) for noise in NOISE)]
        # Where whole blocks are missing, an eighth of the size shows it in a tenth of the time.
        if all(
            _are_same(_pixels(jpeg, some, rough) for some in sequels[:last])
            for rough, last in ((True, 2), (False, None))
        ):
            return jpeg + END_OF_IMAGE
    return None


def _are_same(checksums: Iterator[int | None]) -> bool:
    """Whether all are one number; none is reckoned behind the first that differs."""
    first = next(checksums)
    return first is not None and all(each == first for each in checksums)


def _possible_lengths(content: bytes) -> Sequence[int]:
    """Where a scan may end in front of padding; its own last bytes may look like padding."""
    scan = len(content.rstrip(PADDING))
    if len(content) - scan <= MOST_OF_A_SCAN:
        return range(scan, len(content) + 1)
    # No byte of the padding counts as the scan's, but for the zero that follows each 255 there.
    certain = content.rstrip(content[-1:])
    ends = {len(certain.rstrip(b"\xff")), len(certain) + certain.endswith(b"\xff")}
    return sorted(ends)


def _sequel(noise: bytes, restarts: list[bytes]) -> bytes:
    """Noise, and once more behind the next mark of a restart: the cut may be in front of one."""
    number = (restarts[-1][1] + 1) % 8 if restarts else 0
    return noise + bytes((0xFF, 0xD0 + number)) + noise


def _pixels(jpeg: bytes, sequel: bytes, rough: bool) -> int | None:
    """A checksum of the pixels of a JPEG that goes on so; None if it cannot be decoded.

    Args:
        jpeg: up to the end of a scan, or less.
        sequel: what follows in front of the end mark.
        rough: at an eighth of its size, which shows no loss within a block.
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
            for top in range(0, image.height, STRIP_ROWS):  # a copy of the whole would be large
                bottom = min(top + STRIP_ROWS, image.height)
                strip = image.crop((0, top, image.width, bottom))
                checksum = zlib.crc32(strip.tobytes(), checksum)
            return checksum
    except Exception:  # a damaged file makes Pillow raise anything
        return None


@dataclass(frozen=True)
class _Scan:
    components: tuple[int, ...]
    first: int  # of its coefficients
    last: int
    low_bit: int  # that it refines them to


def _has_all_scans(jpeg: bytes) -> bool:
    """Whether the scans begin that bring each coefficient of each component to its last bit."""
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
    """Marker and payload of each segment up to the end; the data of scans are skipped."""
    at = 2
    while at < len(jpeg):
        found = MARKER.search(jpeg, at)
        if not found or found[0][-1] == END_MARKER:
            return
        [length] = struct.unpack_from(">H", jpeg, found.end())
        at = found.end() + length
        yield found[0][-1], jpeg[found.end() + 2 : at]


def _completed_webp(content: bytes) -> bytes | None:
    """The chunks that are whole, if the picture is among them."""
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


def _completed_jpeg_2000(content: bytes) -> bytes | None:
    body = content.removesuffix(b"\xff")
    return body + END_OF_IMAGE if tile_parts_are_there(body) else None
