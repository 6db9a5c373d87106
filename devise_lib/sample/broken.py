"""Generates unusable files, such as any large folder of photos contains.

Each has the reason for which a decoder should refuse it:

- `empty`: the file has no bytes.
- `not_an_image`: it begins like no picture.
- `unsupported_format`: it is a picture, or can be shown as one, of a kind that is not decoded.
- `too_large`: its header states more pixels than allowed.
- `too_small`: it has fewer than 8 pixels on a side.
- `truncated`: it begins correctly and ends too soon.
- `decode_error`: it is complete, but wrong inside.
- an empty reason: it is a good photo with a wrong file extension, which must be embedded.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import Image

from devise_lib.sample.photos import draw_photo
from devise_lib.sample.things import THINGS

REASONS = (
    "empty",
    "truncated",
    "not_an_image",
    "unsupported_format",
    "too_large",
    "too_small",
    "decode_error",
)


def iter_broken(seed: int) -> Iterator[tuple[str, bytes, str]]:
    """Yields files to put among the photos: (path below the sample's folder, bytes, reason)."""
    rng = random.Random(f"broken/{seed}")
    seen = [thing for thing in THINGS if thing.seen]
    for name, content, reason in _make_files(rng):
        label = rng.choice(seen).label
        yield f"photos/{label}/broken-{name}", content, reason


def _make_files(rng: random.Random) -> Iterator[tuple[str, bytes, str]]:
    picture = draw_photo(rng.choice(THINGS), rng)
    jpeg, png, gif = (_encode(picture, fmt) for fmt in ("JPEG", "PNG", "GIF"))
    tiff, bmp = (_encode(picture, fmt) for fmt in ("TIFF", "BMP"))
    yield "empty.jpg", b"", "empty"
    yield "cut.jpg", jpeg[: len(jpeg) // 2], "truncated"
    yield "cut.png", png[: len(png) // 2], "truncated"
    yield "cut-bitmap.bmp", bmp[: len(bmp) // 2], "truncated"
    yield "header-only.jpg", jpeg[: jpeg.index(b"\xff\xda")], "truncated"
    yield "cut-in-header.gif", gif[:9], "truncated"
    yield "text.jpg", b"The photo that was here has been moved to the archive.\n", "not_an_image"
    yield "error-page.jpg", _ERROR_PAGE, "not_an_image"
    yield "random.jpg", rng.randbytes(4096), "not_an_image"
    yield "archive.png", _make_archive(), "unsupported_format"
    yield "drawing.svg", _SVG, "unsupported_format"
    yield "document.pdf", _PDF, "unsupported_format"
    yield "bomb.png", _make_png(50_000, 50_000, b"\0" * 64), "too_large"
    yield "one-pixel.gif", _encode(picture.resize((1, 1)), "GIF"), "too_small"
    yield "bad-checksum.png", png[:29] + b"\0\0\0\0" + png[33:], "decode_error"
    yield "bad-pixels.png", _make_png(64, 64, None), "decode_error"
    yield "bad-header.bmp", bmp[:30] + struct.pack("<I", 99) + bmp[34:], "decode_error"
    yield "unknown-compression.tif", _break_tiff(tiff), "decode_error"
    yield "good-png.jpg", png, ""


def _encode(picture: Image.Image, fmt: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, fmt)
    return buffer.getvalue()


def _make_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _make_png(width: int, height: int, pixels: bytes | None) -> bytes:
    """Makes a PNG with any stated size; without pixels, its data is no valid deflate stream."""
    data = b"\xff" * 64 if pixels is None else zlib.compress(pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _make_chunk(b"IHDR", header)
        + _make_chunk(b"IDAT", data)
        + _make_chunk(b"IEND", b"")
    )


def _break_tiff(tiff: bytes) -> bytes:
    """Makes a little-endian TIFF state an unknown compression."""
    at = tiff.index(struct.pack("<HHI", 259, 3, 1)) + 8  # value of the compression tag
    return tiff[:at] + struct.pack("<I", 9999) + tiff[at + 4 :]


def _make_archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("photos.txt"), "none\n")
    return buffer.getvalue()


_ERROR_PAGE = b"""<!DOCTYPE html>
<html><head><title>404 Not Found</title></head>
<body><h1>Not Found</h1><p>The requested photo was not found on this server.</p></body></html>
"""
_SVG = b"""<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100">
  <circle cx="100" cy="50" r="40" fill="orange"/>
</svg>
"""
_PDF = b"""%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [] /Count 0 >> endobj
trailer << /Root 1 0 R >>
%%EOF
"""
