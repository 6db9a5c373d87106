"""Crafted photos: odd ones with the picture that they hold, broken ones with their reason.

Every format that is read, in every way of keeping pixels that a camera, a scanner or a program
makes, and what lies about in a folder of photos besides. A picture is drawn as an array and
written here, by Pillow or byte by byte; what a decoder should make of it is reckoned from the
drawn array with numpy.
"""

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageCms

from devise_lib.reasons import Reason
from tests.tiff_files import tiff_of

SIZE = 32  # the square that the pictures are compared at
T = Image.Transpose
STORED = {  # EXIF orientation -> what a camera held that way does to the upright picture
    1: None,
    2: T.FLIP_LEFT_RIGHT,
    3: T.ROTATE_180,
    4: T.FLIP_TOP_BOTTOM,
    5: T.TRANSPOSE,
    6: T.ROTATE_90,
    7: T.TRANSVERSE,
    8: T.ROTATE_270,
}

# How far the mean of all differences from the drawn picture may lie, in grey levels.
EXACT = 0.51  # nothing is lost but the last rounding
LOSSY = 2.5  # JPEG and its kin at a high quality, or at a fraction of its size
COLOURS = 4.0  # colours quantized, to a palette or at half the resolution


@dataclass(frozen=True)
class Crafted:
    """A file with what must become of it: a picture, or a reason."""

    name: str
    content: bytes
    reason: Reason | None = None
    at_ingest: bool = False  # whether the header alone refuses it
    picture: np.ndarray | None = None  # (height, width, 3) uint8, upright, on white
    tolerance: float = EXACT

    def pixels(self, size: int = SIZE) -> np.ndarray:
        """(size, size, 3) of a good one: the middle of its picture, fitted to a square."""
        assert self.picture is not None
        return square(self.picture, size)


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle of (height, width, ...) as (size, size, ...), by a triangle filter."""
    height, width = picture.shape[:2]
    side = min(height, width)
    down, across = (filter_weights(n, (n - side) / 2, side, size) for n in (height, width))
    return np.einsum("yh,hw...,xw->yx...", down, picture.astype(float), across, optimize=True)


def filter_weights(length: int, start: float, side: float, size: int) -> np.ndarray:
    """(size, length): what each of `side` values from `start` on adds to each of `size` values."""
    scale = side / size
    places = np.arange(length) + 0.5
    centres = start + (np.arange(size)[:, None] + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(places - centres) / max(scale, 1))
    return weights / weights.sum(axis=1, keepdims=True)


def draw_picture(width: int, height: int) -> Image.Image:
    """A smooth picture that looks different from each side: no flip or turn of it is itself."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    pixels = np.stack([red, green, np.full_like(red, 40.0)], axis=2)
    return Image.fromarray(pixels.round().astype(np.uint8))


def encode(picture: Image.Image, fmt: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, fmt, **options)
    return buffer.getvalue()


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """As a camera held that way stores it."""
    turn = STORED[orientation]
    return picture if turn is None else picture.transpose(turn)


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def make_png(
    width: int, height: int, data: bytes, bits: int = 8, colour: int = 2, interlaced: bool = False,
    before: bytes = b"", after: bytes = b"",
) -> bytes:  # fmt: skip
    """A PNG of any stated size around deflated rows; `colour` 0 grey, 2 RGB, 4 and 6 with alpha."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    chunks = png_chunk(b"IHDR", header) + before + png_chunk(b"IDAT", data) + after
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


def png_of(samples: np.ndarray, **options) -> bytes:
    """A PNG of (height, width, samples a pixel) of 8 or 16 bits, its rows as they are."""
    height, width, count = samples.shape
    deep = samples.dtype.itemsize == 2
    rows = samples.astype(">u2" if deep else "u1").reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[count]
    return make_png(width, height, data, bits=16 if deep else 8, colour=colour, **options)


def retag(tiff: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another number in a tag that it has."""
    [directory] = struct.unpack_from("<I", tiff, 4)
    [entries] = struct.unpack_from("<H", tiff, directory)
    for at in range(directory + 2, directory + 2 + 12 * entries, 12):
        found, kind, _ = struct.unpack_from("<HHI", tiff, at)
        if found == tag:
            packed = struct.pack({3: "<HH", 4: "<I"}[kind], *([value, 0] if kind == 3 else [value]))
            return tiff[: at + 8] + packed + tiff[at + 12 :]
    raise KeyError(tag)


def replaced(content: bytes, at: int, piece: bytes) -> bytes:
    return content[:at] + piece + content[at + len(piece) :]


def jpeg_with(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with one more segment at its start."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content + jpeg[2:]


def jpeg_sized(jpeg: bytes, width: int, height: int) -> bytes:
    """A baseline JPEG whose header tells another size."""
    at = jpeg.index(b"\xff\xc0") + 5
    return replaced(jpeg, at, struct.pack(">HH", height, width))


def plain_files(picture: Image.Image) -> dict[str, bytes]:
    """A file of each format, and of each way to lay it out."""
    jpeg = encode(picture, "JPEG", quality=95, subsampling=0)
    thumbnail = encode(draw_picture(16, 16), "JPEG", quality=20)
    exif = b"Exif\0\0II*\0\x08" + bytes(9) + thumbnail
    return {
        "photo.jpg": jpeg,
        "progressive.jpg": encode(picture, "JPEG", quality=95, subsampling=0, progressive=True),
        "thumbnail.jpg": jpeg_with(jpeg, 0xE1, exif),
        "photo.png": encode(picture, "PNG"),
        "photo.gif": encode(picture, "GIF"),
        "photo.webp": encode(picture, "WEBP", quality=95),
        "lossless.webp": encode(picture, "WEBP", lossless=True),
        "photo.tif": encode(picture, "TIFF"),
        "lzw.tif": encode(picture, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encode(picture, "TIFF", compression="tiff_adobe_deflate"),
        "packbits.tif": encode(picture, "TIFF", compression="packbits"),
        "jpeg.tif": encode(picture, "TIFF", compression="jpeg", quality=95),
        "directory-behind.tif": tiff_of(np.asarray(picture), photometric=2),
        "motorola.tif": tiff_of(np.asarray(picture), photometric=2, order=">"),
        "photo.bmp": encode(picture, "BMP"),
        "photo.ppm": encode(picture, "PPM"),
        "photo.jp2": encode(picture, "JPEG2000"),
        "photo.j2k": encode(picture, "JPEG2000", no_jp2=True),
        "photo.avif": encode(picture, "AVIF", quality=95),
    }


def draw_rough(width: int, height: int) -> Image.Image:
    """Noise: its files are long, so that a cut of them goes through the pixels."""
    noise = np.random.default_rng(4).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


PICTURE = draw_picture(60, 40)
WHOLE = plain_files(PICTURE)
JPEG, PNG = WHOLE["photo.jpg"], WHOLE["photo.png"]
LOSSES = {"photo.gif": COLOURS, "photo.avif": LOSSY, "photo.webp": LOSSY}


def make_crafted() -> Iterator[Crafted]:
    """Each under a name of its own."""
    for make in (
        _whole, _turned, _greys, _deep, _alphas, _printed, _jpegs, _frames, _shapes, _trailing,
        _cut, _damaged, _no_photos, _bombs,
    ):  # fmt: skip
        yield from make()


def _good(name: str, content: bytes, picture=PICTURE, tolerance: float = EXACT) -> Crafted:
    drawn = np.asarray(picture)
    drawn = np.repeat(drawn[..., None], 3, axis=2) if drawn.ndim == 2 else drawn
    return Crafted(name, content, picture=drawn, tolerance=tolerance)


def _refused(name: str, content: bytes, reason: Reason, at_ingest: bool = True) -> Crafted:
    return Crafted(name, content, reason, at_ingest)


def _whole() -> Iterator[Crafted]:
    for name, content in WHOLE.items():
        lossy = LOSSY if name.endswith("jpg") or name == "jpeg.tif" else EXACT
        yield _good(name, content, tolerance=LOSSES.get(name, lossy))
    yield _good("png-named.jpg", encode(PICTURE, "PNG", compress_level=1))
    yield _good("jpeg-named.png", jpeg_with(JPEG, 0xFE, b"a comment"), tolerance=LOSSY)
    yield _good("no-ending", encode(PICTURE, "PNG", compress_level=2))
    yield _good("big.tif", encode(PICTURE, "TIFF", big_tiff=True))
    yield _good("bottom-up-32.bmp", encode(PICTURE.convert("RGBA"), "BMP"))
    plain = b"P3 60 40 # a comment\n255\n" + b" ".join(b"%d" % v for v in PICTURE.tobytes())
    yield _good("in-text.ppm", plain + b"\n")
    yield _good("interlaced.png", _interlaced())
    chunks = zlib.compress(b"".join(b"\0" + row.tobytes() for row in np.asarray(PICTURE)))
    pieces = b"".join(png_chunk(b"IDAT", chunks[i : i + 7]) for i in range(0, len(chunks), 7))
    whole = make_png(60, 40, b"", after=pieces)
    yield _good("many-pieces.png", whole)


def _interlaced() -> bytes:
    """Adam7: seven small pictures, each with its rows."""
    pixels = np.asarray(PICTURE)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes.append((1, 0, 2, 1))
    rows = [
        b"\0" + row.tobytes()
        for top, left, down, across in passes
        for row in pixels[top::down, left::across]
    ]
    return make_png(60, 40, zlib.compress(b"".join(rows)), interlaced=True)


def _turned() -> Iterator[Crafted]:
    for orientation in STORED:
        stored, exif = turned(PICTURE, orientation), oriented(orientation)
        content = encode(stored, "JPEG", quality=95, subsampling=0, exif=exif)
        yield _good(f"orientation-{orientation}.jpg", content, tolerance=LOSSY)
        yield _good(f"orientation-{orientation}.png", encode(stored, "PNG", exif=exif))
        yield _good(f"orientation-{orientation}.tif", encode(stored, "TIFF", exif=exif))
    large = draw_picture(640, 400)
    for orientation in (3, 5, 6):
        stored, exif = turned(PICTURE, orientation), oriented(orientation).tobytes()
        for fmt in ("WEBP", "AVIF"):
            content = encode(stored, fmt, quality=95, exif=exif)
            yield _good(f"orientation-{orientation}.{fmt.lower()}", content, tolerance=LOSSY)
        content = encode(stored, "TIFF", exif=exif, compression="tiff_lzw")
        yield _good(f"orientation-{orientation}-lzw.tif", content)
        content = encode(turned(large, orientation), "JPEG", quality=95, exif=exif)
        yield _good(f"orientation-{orientation}-large.jpg", content, large, LOSSY)
    stored = turned(PICTURE, 6)
    exif = oriented(6).tobytes().removeprefix(b"Exif\0\0")
    behind = png_of(np.asarray(stored), after=png_chunk(b"eXIf", exif))
    yield _good("exif-behind.png", behind)
    deep = np.asarray(stored.convert("L")).astype(np.uint16)[..., None] * 257
    behind = png_of(deep, before=png_chunk(b"eXIf", exif))
    yield _good("turned-16.png", behind, PICTURE.convert("L"))
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation='1'/>"
    xmp = xmp.replace(b"'1'", b'"6"')
    jpeg = encode(stored, "JPEG", quality=95, subsampling=0)
    yield _good("turned-by-xmp.jpg", jpeg_with(jpeg, 0xE1, xmp), tolerance=LOSSY)
    for odd in (0, 9, 65535):
        content = encode(PICTURE, "JPEG", quality=95, subsampling=0, exif=oriented(odd))
        yield _good(f"orientation-{odd}.jpg", content, tolerance=LOSSY)
    text = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0006\0\0\0\0\0\0\0"
    yield _good("orientation-is-text.jpg", jpeg_with(JPEG, 0xE1, text), tolerance=LOSSY)
    yield _good("exif-damaged.jpg", _with_bad_exif(), tolerance=LOSSY)
    for name, exif in {
        "junk": b"junk, and no header of TIFF",
        "cut": b"II*\0",
        "beyond": b"II*\0\xff\xff\xff\x7f",
        "long": b"MM\0*\0\0\0\x08\xff\xff" + bytes(30),
        "loop": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    }.items():
        jpeg = jpeg_with(JPEG, 0xE1, b"Exif\0\0" + exif)
        yield _good(f"exif-{name}.jpg", jpeg, tolerance=LOSSY)
        yield _good(f"exif-{name}.png", encode(PICTURE, "PNG", exif=exif))
        yield _good(f"exif-{name}.webp", encode(PICTURE, "WEBP", lossless=True, exif=exif))


def _with_bad_exif() -> bytes:
    """A whole JPEG whose EXIF says that a number is a text: it can be read, not written again."""
    exif = oriented(6)
    exif[ExifTags.Base.XResolution] = 72.0
    content = encode(turned(PICTURE, 6), "JPEG", quality=95, subsampling=0, exif=exif)
    at = content.index(struct.pack(">HHI", ExifTags.Base.XResolution, 5, 1))
    piece = struct.pack(">HHI", 0x9205, 2, 4)  # a ratio by its tag, a text by its type
    return replaced(content, at, piece)


def _greys() -> Iterator[Crafted]:
    grey = PICTURE.convert("L")
    eight = np.asarray(grey)
    for fmt, loss in {
        "JPEG": LOSSY,
        "PNG": EXACT,
        "TIFF": EXACT,
        "BMP": EXACT,
        "PPM": EXACT,
    }.items():
        options = {"quality": 95} if fmt == "JPEG" else {}
        yield _good(f"grey-{fmt.lower()}.{fmt.lower()}", encode(grey, fmt, **options), grey, loss)
    yield _good("grey.jp2", encode(grey, "JPEG2000"), grey)
    bilevel = PICTURE.convert("1")
    black_or_white = np.asarray(bilevel) * np.uint8(255)
    for fmt in ("PNG", "TIFF", "BMP", "PPM", "GIF"):
        yield _good(f"bilevel.{fmt.lower()}", encode(bilevel, fmt), black_or_white)
    for group in ("group3", "group4"):
        fax = encode(bilevel, "TIFF", compression=group)
        yield _good(f"fax-{group}.tif", fax, black_or_white)
    yield _good("white-is-0.tif", tiff_of(255 - eight[..., None], photometric=0), grey)
    few = np.asarray(PICTURE.convert("L")) // 17  # 16 greys
    packed = few[:, ::2] << 4 | few[:, 1::2]
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))
    yield _good("grey-4.png", make_png(60, 40, data, bits=4, colour=0), few * np.uint8(17))


def _deep() -> Iterator[Crafted]:
    grey = PICTURE.convert("L")
    eight = np.asarray(grey)[..., None]
    sixteen = eight.astype(np.uint16) * 257
    rgb = np.asarray(PICTURE).astype(np.uint16) * 257
    yield _good("grey-16.png", png_of(sixteen), grey)
    yield _good("rgb-16.png", png_of(rgb))
    yield _good("dark-16.png", png_of(sixteen // 257), np.asarray(grey) * 0)
    for order in "<>":
        end = "little" if order == "<" else "big"
        yield _good(f"grey-16-{end}.tif", tiff_of(sixteen, 1, order), grey)
        yield _good(f"rgb-16-{end}.tif", tiff_of(rgb, 2, order))
        yield _good(f"float-{end}.tif", tiff_of(eight.astype(np.float32), 1, order), grey)
    yield _good("white-is-0-16.tif", tiff_of(65535 - sixteen, photometric=0), grey)
    yield _good("float-16-bits.tif", tiff_of(sixteen.astype(np.float32), 1), grey)
    unit = eight.astype(np.float32) / np.float32(255)
    yield _good("float-to-1.tif", tiff_of(unit, 1), grey)
    yield _good("int.tif", tiff_of(eight.astype(np.int32), 1), grey)
    yield _good("int-16.tif", tiff_of(sixteen.astype(np.int32), 1), grey)
    below = eight.astype(np.int32)
    below[5:30, 10:40] = -(2**31)
    yield _good("int-below-0.tif", tiff_of(below, 1), np.maximum(below, 0)[..., 0].astype(np.uint8))
    for name, odd in {"nan": np.nan, "infinite": np.inf, "minus-infinite": -np.inf}.items():
        holes = eight.astype(np.float32)
        holes[5:30, 10:40] = odd
        filled = np.where(np.isfinite(holes), holes, 0)[..., 0].astype(np.uint8)
        yield _good(f"float-{name}.tif", tiff_of(holes, 1), filled)
    nothing = np.full((40, 60, 1), np.nan, dtype=np.float32)
    yield _good("float-all-nan.tif", tiff_of(nothing, 1), np.zeros((40, 60), np.uint8))
    pgm = b"P5 60 40 65535\n" + sixteen.astype(">u2").tobytes()
    yield _good("grey-16.pgm", pgm, grey)
    pgm = b"P5 60 40 65535\n" + (sixteen // 257).astype(">u2").tobytes()
    yield _good("dark-16.pgm", pgm, np.asarray(grey) * 0)
    pgm = b"P5 60 40 1023\n" + (eight.astype(float) * 1023 / 255).round().astype(">u2").tobytes()
    yield _good("grey-10.pgm", pgm, grey, tolerance=1.0)  # what is left of a level is dropped
    yield _good("rgb-16.ppm", b"P6 60 40 65535\n" + rgb.astype(">u2").tobytes())
    pfm = b"Pf\n60 40\n-1.0\n" + unit[::-1].astype("<f4").tobytes()
    yield _good("float.pfm", pfm, grey)
    jp2 = encode(Image.fromarray(sixteen[..., 0]), "JPEG2000")
    yield _good("grey-16.jp2", jp2, grey)


def _alphas() -> Iterator[Crafted]:
    colours = np.asarray(PICTURE)
    share = np.linspace(0, 1, 60)[None, :, None] * np.ones((40, 1, 1))  # opaque to the right
    alpha = (share * 255).round().astype(np.uint8)
    share = alpha / 255
    on_white = (colours * share + 255 * (1 - share)).round().astype(np.uint8)
    rgba = np.concatenate([colours, alpha], axis=2)
    image = Image.fromarray(rgba)
    for fmt, ending in {"PNG": "png", "TIFF": "tif", "JPEG2000": "jp2"}.items():
        yield _good(f"alpha.{ending}", encode(image, fmt), on_white)
    yield _good("alpha.webp", encode(image, "WEBP", lossless=True, exact=True), on_white)
    content = encode(image, "AVIF", quality=95)
    yield _good("alpha.avif", content, on_white, tolerance=LOSSY)
    yield _good("alpha-16.png", png_of(rgba.astype(np.uint16) * 257), on_white)
    multiplied = np.concatenate([(colours * share).round().astype(np.uint8), alpha], axis=2)
    content = tiff_of(multiplied, 2, t338=1)
    yield _good("alpha-multiplied.tif", content, on_white, tolerance=1.0)
    # Where all is clear, the colours below are anything: no colour of theirs may show.
    hidden = np.concatenate([colours, np.zeros_like(alpha)], axis=2)
    yield _good("all-clear.png", png_of(hidden), np.full_like(colours, 255))

    grey = np.asarray(PICTURE.convert("L"))[..., None]
    on_white = (grey * share + 255 * (1 - share)).round().astype(np.uint8)[..., 0]
    both = np.concatenate([grey, alpha], axis=2)
    yield _good("grey-alpha.png", png_of(both), on_white)
    yield _good("grey-alpha-16.png", png_of(both.astype(np.uint16) * 257), on_white)
    yield _good("grey-alpha.tif", tiff_of(both, 1, t338=2), on_white)
    multiplied = np.concatenate([(grey * share).round().astype(np.uint8), alpha], axis=2)
    content = tiff_of(multiplied, 1, t338=1)
    yield _good("grey-alpha-multiplied.tif", content, on_white, tolerance=1.0)

    # One colour stands for clear: its pixels are white, and no others.
    spots = colours.copy()
    spots[10:20, 15:30] = (1, 2, 3)
    on_white = spots.copy()
    on_white[10:20, 15:30] = 255
    key = png_chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    yield _good("clear-colour.png", png_of(spots, before=key), on_white)
    key = png_chunk(b"tRNS", struct.pack(">HHH", 257, 514, 771))
    content = png_of(spots.astype(np.uint16) * 257, before=key)
    yield _good("clear-colour-16.png", content, on_white)
    spots = np.asarray(PICTURE.convert("L"))[..., None] // 2 + 90
    spots[10:20, 15:30] = 7
    on_white = spots[..., 0].copy()
    on_white[10:20, 15:30] = 255
    key = png_chunk(b"tRNS", struct.pack(">H", 7))
    yield _good("clear-grey.png", png_of(spots, before=key), on_white)
    key = png_chunk(b"tRNS", struct.pack(">H", 7 * 257))
    content = png_of(spots.astype(np.uint16) * 257, before=key)
    yield _good("clear-grey-16.png", content, on_white)

    few = PICTURE.quantize(64)
    drawn = np.asarray(few.convert("RGB"))
    for fmt, ending in {"PNG": "png", "GIF": "gif", "TIFF": "tif", "BMP": "bmp"}.items():
        yield _good(f"palette.{ending}", encode(few, fmt), drawn)
    clear = np.asarray(few) == 5
    on_white = np.where(clear[..., None], np.uint8(255), drawn)
    for fmt in ("PNG", "GIF"):
        content = encode(few, fmt, transparency=5)
        yield _good(f"palette-clear.{fmt.lower()}", content, on_white)
    half = np.where(clear[..., None], (drawn + 255.0) / 2, drawn).round().astype(np.uint8)
    content = encode(few, "PNG", transparency=bytes(128 if i == 5 else 255 for i in range(64)))
    yield _good("palette-half-clear.png", content, half)


def _printed() -> Iterator[Crafted]:
    """CMYK: the shares of ink, of which a JPEG keeps the rest to 255, as Adobe's programs do."""
    colours = np.asarray(PICTURE).astype(int)
    black = 255 - colours.max(axis=2, keepdims=True)
    paper = np.maximum(255 - black, 1)
    inks = np.concatenate([(255 - black - colours) * 255 // paper, black], axis=2)
    cmyk = Image.fromarray(inks.astype(np.uint8), mode="CMYK")
    yield _good("cmyk.tif", encode(cmyk, "TIFF"), tolerance=1.0)
    jpeg = encode(cmyk, "JPEG", quality=95, subsampling=0)
    yield _good("cmyk.jpg", jpeg, tolerance=LOSSY)
    turned_cmyk = encode(turned(cmyk, 8), "JPEG", quality=95, subsampling=0, exif=oriented(8))
    yield _good("cmyk-turned.jpg", turned_cmyk, tolerance=LOSSY)
    large = draw_picture(640, 400)
    yield _good("cmyk-large.jpg", encode(large.convert("CMYK"), "JPEG", quality=95), large, LOSSY)
    # YCCK: the inks as if they were RGB, in YCbCr. Pillow writes four samples as they are, each
    # as the rest to 255; what they mean is told by one byte of Adobe's marker.
    rgb = Image.fromarray(inks[..., :3].astype(np.uint8))
    samples = np.concatenate([np.asarray(rgb.convert("YCbCr")), 255 - inks[..., 3:]], axis=2)
    kept = Image.fromarray((255 - samples).astype(np.uint8), mode="CMYK")
    jpeg = encode(kept, "JPEG", quality=95, subsampling=0)
    at = jpeg.index(b"Adobe") + 11
    assert jpeg[at] == 0
    yield _good("ycck.jpg", replaced(jpeg, at, b"\x02"), tolerance=LOSSY)
    for name, profile in {"srgb": _SRGB, "junk": b"no profile"}.items():
        jpeg = encode(PICTURE, "JPEG", quality=95, subsampling=0, icc_profile=profile)
        yield _good(f"profile-{name}.jpg", jpeg, tolerance=LOSSY)
    # Profiles are not applied: the inks say nearly the same without.
    jpeg = encode(cmyk, "JPEG", quality=95, subsampling=0, icc_profile=_SRGB)
    yield _good("cmyk-with-profile.jpg", jpeg, tolerance=LOSSY)
    yield _good("profile.png", encode(PICTURE, "PNG", icc_profile=_SRGB))
    yield _good("profile-junk.png", encode(PICTURE, "PNG", icc_profile=b"no profile"))
    lab = ImageCms.profileToProfile(
        PICTURE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    yield _good("lab.tif", encode(lab, "TIFF"), tolerance=LOSSY)
    yield _good("ycbcr.tif", encode(PICTURE.convert("YCbCr"), "TIFF"), tolerance=LOSSY)


_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _jpegs() -> Iterator[Crafted]:
    for number, name in enumerate(("444", "422", "420")):
        for progressive in (False, True):
            content = encode(
                PICTURE, "JPEG", quality=95, subsampling=number, progressive=progressive
            )
            kind = "progressive" if progressive else "baseline"
            yield _good(f"{kind}-{name}.jpg", content, tolerance=LOSSY)
    odd = draw_picture(61, 43)
    yield _good("odd-sides-420.jpg", encode(odd, "JPEG", quality=95, subsampling=2), odd, LOSSY)
    content = encode(PICTURE, "JPEG", quality=95, keep_rgb=True)
    yield _good("no-ycc.jpg", content, tolerance=LOSSY)
    content = encode(PICTURE, "JPEG", quality=95, subsampling=0, restart_marker_blocks=3)
    yield _good("restarts.jpg", content, tolerance=LOSSY)
    assert JPEG[2:4] == b"\xff\xe0"
    [length] = struct.unpack_from(">H", JPEG, 4)
    yield _good("no-jfif.jpg", JPEG[:2] + JPEG[4 + length :], tolerance=LOSSY)
    padded = JPEG[:2] + b"\xff\xff\xff" + JPEG[2:]
    yield _good("padded-markers.jpg", padded, tolerance=LOSSY)
    waves = _wavy(1600, 1200)
    for quality in (60, 95):
        content = encode(waves, "JPEG", quality=quality)
        yield _good(f"large-{quality}.jpg", content, waves, LOSSY)
    content = encode(waves.convert("L"), "JPEG", quality=95)
    yield _good("large-grey.jpg", content, waves.convert("L"), LOSSY)


def _wavy(width: int, height: int) -> Image.Image:
    """The picture with five waves across the square that is kept, for the sharpness."""
    pixels = np.array(draw_picture(width, height))
    sums = np.arange(height)[:, None] + np.arange(width)
    pixels[..., 2] = 127 + 120 * np.sin(2 * np.pi * sums * 5 / min(width, height))
    return Image.fromarray(pixels)


def _frames() -> Iterator[Crafted]:
    """Several pictures in a file: the first is the photo."""
    others = [Image.new("RGB", PICTURE.size, colour) for colour in ("blue", "lime")]
    several = {"save_all": True, "append_images": others}
    yield _good("frames.gif", encode(PICTURE, "GIF", duration=100, **several), tolerance=COLOURS)
    content = encode(PICTURE, "WEBP", duration=100, lossless=True, **several)
    yield _good("frames.webp", content)
    yield _good("frames.png", encode(PICTURE, "PNG", duration=100, **several))
    content = encode(PICTURE, "PNG", duration=100, default_image=True, **several)
    yield _good("default-image.png", content)  # beside the animation
    yield _good("pages.tif", encode(PICTURE, "TIFF", **several))
    yield _good("frames.avif", encode(PICTURE, "AVIF", quality=95, **several), tolerance=LOSSY)
    content = encode(turned(PICTURE, 6), "TIFF", exif=oriented(6), **several)
    yield _good("pages-turned.tif", content)
    content = encode(PICTURE, "MPO", quality=95, subsampling=0, **several)
    yield _good("stereo.jpg", content, tolerance=LOSSY)
    large = draw_picture(640, 400)
    content = encode(turned(large, 6), "MPO", quality=95, exif=oriented(6), **several)
    yield _good("stereo-large.jpg", content, large, LOSSY)
    tiff = tiff_of(np.asarray(PICTURE), 2)
    [directory] = struct.unpack_from("<I", tiff, 4)
    [entries] = struct.unpack_from("<H", tiff, directory)
    end = directory + 2 + 12 * entries
    yield _good("pages-in-a-loop.tif", replaced(tiff, end, struct.pack("<I", directory)))
    # A frame that is larger than the screen: the screen grows to it.
    gif = encode(Image.new("L", (16, 16), 200), "GIF")
    content = replaced(gif, 6, struct.pack("<HH", 8, 8))
    yield _good("frame-beyond-screen.gif", content, np.full((16, 16), 200, np.uint8))


def _shapes() -> Iterator[Crafted]:
    for width, height in ((1200, 9), (9, 1200), (700, 40), (8, 8), (333, 47)):
        picture = draw_picture(width, height)
        yield _good(f"{width}x{height}.png", encode(picture, "PNG"), picture)
        content = encode(picture, "JPEG", quality=95, subsampling=0)
        yield _good(f"{width}x{height}.jpg", content, picture, LOSSY)


def _trailing() -> Iterator[Crafted]:
    """A whole photo, and more behind it."""
    noise = random.Random(2).randbytes(5000)
    yield _good("noise-behind.jpg", JPEG + noise, tolerance=LOSSY)
    yield _good("zeros-behind.jpg", JPEG + bytes(100_000), tolerance=LOSSY)
    yield _good("text-behind.jpg", JPEG + b"\r\n--boundary--\r\n", tolerance=LOSSY)
    second = encode(Image.new("RGB", (60, 40), "blue"), "JPEG")
    yield _good("two.jpg", JPEG + second, tolerance=LOSSY)
    for name in ("photo.png", "photo.gif", "photo.webp", "photo.tif", "photo.bmp", "photo.ppm"):
        loss = LOSSES.get(name, EXACT)
        yield _good(f"noise-behind-{name}", WHOLE[name] + noise, tolerance=loss)
    yield _good("zeros-behind.png", PNG + bytes(100_000))
    yield _good("last-byte-lost.png", PNG[:-1])  # nothing of the pixels


def _cut() -> Iterator[Crafted]:
    for name, content in plain_files(draw_rough(60, 40)).items():
        for percent in (30, 60, 96):
            part = content[: len(content) * percent // 100]
            at_ingest = name in HEADER_WANTS_ALL or (name == "photo.avif" and percent < 90)
            yield _refused(f"cut-at-{percent}-{name}", part, Reason.TRUNCATED, at_ingest)
    for name in ("photo.jpg", "photo.png", "photo.gif", "photo.webp", "photo.tif", "photo.avif"):
        yield _refused(f"cut-at-start-{name}", WHOLE[name][:20], Reason.TRUNCATED)
    start = JPEG[: JPEG.index(b"\xff\xda")]
    yield _refused("header-only.jpg", start, Reason.TRUNCATED, at_ingest=False)
    yield _refused("header-only.png", PNG[:33], Reason.TRUNCATED)
    yield _refused("header-only.gif", WHOLE["photo.gif"][:13], Reason.TRUNCATED)
    yield _refused("header-only.bmp", WHOLE["photo.bmp"][:54], Reason.TRUNCATED, at_ingest=False)
    yield _refused("header-only.tif", b"II*\0\x08\0\0\0", Reason.TRUNCATED)
    yield _refused("signature-only.png", PNG[:8], Reason.TRUNCATED)
    yield _refused("signature-only.jpg", JPEG[:3], Reason.TRUNCATED)
    large = encode(_wavy(800, 600), "JPEG", quality=80)
    for kept in (50, 97):  # and the rest as zeros: fetched into a file of the right length
        part = large[: len(large) * kept // 100].ljust(len(large), b"\0")
        yield _refused(f"zeros-from-{kept}.jpg", part, Reason.TRUNCATED, at_ingest=False)
        part = large[: len(large) * kept // 100]
        yield _refused(f"large-cut-at-{kept}.jpg", part, Reason.TRUNCATED, at_ingest=False)


# Of which no header can be read without the end: it has the directory, or is asked for at once.
HEADER_WANTS_ALL = (
    "photo.webp", "lossless.webp", "lzw.tif", "deflate.tif", "packbits.tif", "jpeg.tif",
    "directory-behind.tif", "motorola.tif",
)  # fmt: skip


def _damaged() -> Iterator[Crafted]:
    error = Reason.DECODE_ERROR
    data = PNG.index(b"IDAT") + 4
    for at in (data + 2, data + 40, len(PNG) - 30):
        flipped = replaced(PNG, at, bytes([PNG[at] ^ 4]))
        yield _refused(f"bit-flipped-at-{at}.png", flipped, error, at_ingest=False)
    raw = make_png(60, 40, zlib.compress(bytes(40 * 181), level=0))
    at = raw.index(b"IDAT") + 1000  # stored, not packed: any byte can be inflated
    yield _refused("bit-flipped-stored.png", replaced(raw, at, b"\x01"), error, at_ingest=False)
    yield _refused("bad-header-checksum.png", PNG[:29] + b"\0\0\0\0" + PNG[33:], error)
    yield _refused("no-deflate.png", make_png(64, 64, b"\xff" * 64), error, at_ingest=False)
    yield _refused("unix-line-ends.png", PNG.replace(b"\r\n", b"\n"), error)
    yield _refused("windows-line-ends.png", PNG.replace(b"\n", b"\r\n"), error)
    noise = random.Random(3).randbytes(3000).replace(b"\xff", b"\0")
    yield _refused("noise-after-header.png", PNG[:33] + noise, error)
    yield _refused("noise-after-header.jpg", JPEG[:20] + noise, error)
    for width, height in ((0, 40), (60, 0), (0, 0)):
        size = f"{width}x{height}"
        yield _refused(f"{size}.jpg", jpeg_sized(JPEG, width, height), error)
        yield _refused(f"{size}.png", make_png(width, height, zlib.compress(b"")), error)
    tiff = WHOLE["photo.tif"]
    yield _refused("no-width.tif", retag(tiff, 256, 0), error)
    yield _refused("unknown-compression.tif", retag(tiff, 259, 9999), error)
    yield _refused("unknown-colours.tif", retag(tiff, 262, 99), error)
    bmp = WHOLE["photo.bmp"]
    yield _refused("unknown-compression.bmp", replaced(bmp, 30, b"\x63"), error)
    twelve = replaced(JPEG, JPEG.index(b"\xff\xc0") + 4, b"\x0c")
    yield _refused("12-bits.jpg", twelve, error)
    lossless = JPEG.replace(b"\xff\xc0", b"\xff\xc3", 1)
    yield _refused("lossless.jpg", lossless, error, at_ingest=False)
    yield _refused("no-tables.jpg", JPEG.replace(b"\xff\xdb", b"\xff\xfe"), error, at_ingest=False)
    webp = WHOLE["lossless.webp"]
    yield _refused("zeroed.webp", webp[:24] + bytes(len(webp) - 24), error, at_ingest=False)
    jp2 = WHOLE["photo.j2k"]
    at = jp2.index(b"\xff\x93") + 2
    yield _refused("no-pixels.j2k", jp2[:at] + b"\xff\xd9", error, at_ingest=False)


def _no_photos() -> Iterator[Crafted]:
    nothing, unread = Reason.NOT_AN_IMAGE, Reason.UNSUPPORTED_FORMAT
    yield _refused("empty.jpg", b"", Reason.EMPTY)
    yield _refused("one-byte.jpg", b"\xff", nothing)
    yield _refused("zeros.jpg", bytes(5000), nothing)
    yield _refused("text.jpg", b"The photo that was here has been moved.\n", nothing)
    yield _refused("text-utf16.jpg", "\ufeffThe photo has moved.\n".encode("utf-16-le"), nothing)
    page = b"<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1></body></html>\n"
    yield _refused("page.jpg", page, nothing)
    yield _refused("answer.jpg", b'{"error": "no such photo"}', nothing)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("photo.jpg"), JPEG)
    yield _refused("zip.jpg", archive.getvalue(), nothing)
    yield _refused("packed.jpg", gzip.compress(JPEG, mtime=0), nothing)
    yield _refused("noise.jpg", random.Random(1).randbytes(4096), nothing)
    yield _refused("program.jpg", b"\x7fELF" + bytes(200), nothing)
    yield _refused("pointer.jpg", b"version https://git-lfs.github.com/spec/v1\n", nothing)
    yield _refused("sound.webp", b"RIFF\x24\0\0\0WAVEfmt " + bytes(24), nothing)
    yield _refused("document.pdf", b"%PDF-1.4\n%%EOF\n", unread)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    yield _refused("drawing.svg", svg, unread)
    yield _refused("xml-drawing.svg", b'<?xml version="1.0"?>\n' + svg, unread)
    yield _refused("bom-drawing.svg", b"\xef\xbb\xbf" + svg, unread)
    yield _refused("layers.psd", b"8BPS\0\1" + bytes(40), unread)
    for brand in (b"heic", b"mif1", b"hevc"):
        content = b"\0\0\0\x18ftyp" + brand + bytes(12)
        yield _refused(f"phone-{brand.decode()}.heic", content, unread)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
    yield _refused("program.eps", eps, unread)
    yield _refused("icon.ico", encode(PICTURE, "ICO"), unread)
    yield _refused("icon.icns", encode(draw_picture(64, 64), "ICNS"), unread)
    yield _refused("photo.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), unread)
    yield _refused("1x1.gif", encode(Image.new("RGB", (1, 1)), "GIF"), Reason.TOO_SMALL)
    yield _refused("7x100.png", encode(draw_picture(7, 100), "PNG"), Reason.TOO_SMALL)
    yield _refused("100x7.jpg", encode(draw_picture(100, 7), "JPEG"), Reason.TOO_SMALL)


def _bombs() -> Iterator[Crafted]:
    """Small files that would fill the memory."""
    large = Reason.TOO_LARGE
    yield _refused("bomb.png", make_png(50_000, 50_000, zlib.compress(bytes(10**6), 9)), large)
    bilevel = make_png(60_000, 60_000, zlib.compress(bytes(10**6), 9), bits=1, colour=0)
    yield _refused("bomb-1-bit.png", bilevel, large)
    yield _refused("bomb.jpg", jpeg_sized(JPEG, 65_500, 65_500), large)
    gif = WHOLE["photo.gif"]
    yield _refused("bomb.gif", replaced(gif, 6, struct.pack("<HH", 65_535, 65_535)), large)
    frame = gif.index(b",", 13 + 3 * 256) + 5  # the descriptor of the first frame
    beyond = replaced(gif, frame, struct.pack("<HH", 65_535, 65_535))
    yield _refused("bomb-by-frame.gif", beyond, large)
    tiff = WHOLE["photo.tif"]
    yield _refused("bomb.tif", retag(retag(tiff, 256, 60_000), 257, 60_000), large)
    # 60x40 pixels in a tile of 20000x20000, which is inflated whole. Strips are told of by other
    # tags than tiles: 273 becomes 324, and 279 325.
    tiled = tiff_of(np.asarray(PICTURE), 2, t322=20_000, t323=20_000)
    for strip, tile in ((273, 324), (279, 325)):
        tiled = tiled.replace(struct.pack("<HHI", strip, 4, 1), struct.pack("<HHI", tile, 4, 1))
    yield _refused("bomb-by-tile.tif", retag(tiled, 259, 8), large)
    size = struct.pack("<ii", 100_000, 100_000)
    yield _refused("bomb.bmp", replaced(WHOLE["photo.bmp"], 18, size), large)
    yield _refused("bomb.ppm", b"P6 100000 100000 255\n", large)
    yield _refused("bomb-in-text.ppm", b"P3 100000 100000 255\n1 2 3\n", large)
    at = WHOLE["photo.j2k"].index(b"\xff\x51") + 6
    content = replaced(WHOLE["photo.j2k"], at, struct.pack(">II", 100_000, 100_000))
    yield _refused("bomb.j2k", content, large)
    text = zlib.compress(bytes(50_000_000), 9)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in np.asarray(PICTURE)))
    for name, head in {"zTXt": b"a\0\0", "iTXt": b"a\0\1\0\0\0", "iCCP": b"a\0\0"}.items():
        chunk = png_chunk(name.encode(), head + text)
        content = make_png(60, 40, pixels, before=chunk)
        yield _refused(f"bomb-{name}.png", content, Reason.DECODE_ERROR)
    chunk = png_chunk(b"zTXt", b"a\0\0" + text)
    content = make_png(60, 40, pixels, after=chunk)
    yield _refused("bomb-behind-pixels.png", content, Reason.DECODE_ERROR, at_ingest=False)


CRAFTED = {each.name: each for each in make_crafted()}
