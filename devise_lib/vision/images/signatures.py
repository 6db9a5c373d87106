"""Names the kind of a file that is no readable photo, by its first bytes."""

import codecs
import re
import struct

from devise_lib.archive_kinds import archive_kind, substitute_kind
from devise_lib.vision.images.structure import brands_of

PICTURES = (  # signatures of pictures and documents that are not read
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML, perhaps SVG"),
    (b"8BPS", "Photoshop"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"\0\0\1\0", "an icon"),
    (b"icns", "an icon"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II\xbc\0", "JPEG XR"),
    (b"II\xbc\1", "JPEG XR"),
    (b"v/1\1", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"gimp xcf", "XCF (GIMP)"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"P7\n", "PAM"),
    (b"/* XPM */", "XPM"),
    (b"SIMPLE  =", "FITS"),
    (b"AT&TFORM", "DjVu"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"\x01\xda\0\1", "SGI"),
    (b"\x01\xda\1\1", "SGI"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"FUJIFILMCCD-RAW", "Fujifilm RAW"),
    (b"IIRO", "Olympus RAW"),
    (b"IIRS", "Olympus RAW"),
    (b"IIU\0", "Panasonic RAW"),
    (b"II\x1a\0\0\0HEAPCCDR", "Canon RAW"),
    (b"FOVb", "Sigma RAW"),
    (b"\0MRM", "Minolta RAW"),
    (b"\x8aMNG\r\n", "MNG"),
    (b"\x8bJNG\r\n", "JNG"),
)
PLACED = (  # signatures that do not begin the file: offset, signature, name
    (128, b"DICM", "DICOM"),
    (40, b" EMF", "EMF"),
)
OTHERS = (  # other files, within which there may be a photo, such as a cover or an icon
    (b"ID3", "a sound (MP3)"),
    (b"OggS", "a sound or film (Ogg)"),
    (b"fLaC", "a sound (FLAC)"),
    (b"\x1aE\xdf\xa3", "a film (Matroska or WebM)"),
    (b"FLV\x01", "a film (FLV)"),
    (b"\x7fELF", "a program (ELF)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old file of Office (OLE)"),
    (b"SQLite format 3\0", "a database (SQLite)"),
)
RIFF = {b"AVI ": "a film (AVI)", b"WAVE": "a sound (WAV)"}
JSON = re.compile(rb"\{\s*[\"}]|\[\s*[\[{\"]")
JPEG_WITHIN = re.compile(rb"\xff\xd8\xff[\xc0-\xc2\xc4\xdb\xdd\xe0-\xef\xfe]")
HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs",
     b"mif1", b"mif2", b"msf1", b"miaf")
)  # fmt: skip
CURSOR = b"\0\0\2\0"  # a TGA may begin with these bytes, too
TGA_FOOTER = b"TRUEVISION-XFILE.\0"


def unread_picture(content: bytes) -> str:
    """Returns the name of a kind of picture or document that is not read; "" for anything else."""
    if name := _by_start(content, PICTURES):
        return name
    for place, mark, name in PLACED:
        if content[place : place + len(mark)] == mark:
            return name
    brands = brands_of(content)
    if b"crx " in brands:
        return "Canon RAW (CR3)"
    if brands & HEIF_BRANDS:
        return "HEIF"
    if _is_pcx(content):
        return "PCX"
    if _is_tga(content):
        return "TGA"
    return "a cursor" if content.startswith(CURSOR) else ""


def other_kind(content: bytes) -> str:
    """Describes a file that is no picture, such as "a zip archive"; "" for an unknown kind."""
    if content.startswith(b"RIFF"):
        return RIFF.get(content[8:12], "")
    if content[4:8] == b"ftyp":
        return f"a film or sound (MP4's family, {content[8:12]!r})"
    if name := next((name for mark, name in OTHERS if content.startswith(mark)), ""):
        return name
    if JSON.match(_text(content)):
        return "JSON, not a photo; look at it, and fetch the photo again"
    return archive_kind(content) or substitute_kind(content) or _hidden_jpeg(content)


def _hidden_jpeg(content: bytes) -> str:
    found = JPEG_WITHIN.search(content)
    if not found:
        return ""
    return f"a file with a JPEG at byte {found.start():,}; if this is the photo, take it out"


def _text(content: bytes) -> bytes:
    """Returns the first 256 bytes without a UTF-8 mark and blanks, with which texts may begin."""
    return content[:256].removeprefix(codecs.BOM_UTF8).lstrip()


def _by_start(content: bytes, signatures: tuple[tuple[bytes, str], ...]) -> str:
    text = _text(content)
    for magic, name in signatures:
        if content.startswith(magic) or text.startswith(magic):
            return name
    return ""


def _is_pcx(content: bytes) -> bool:
    if len(content) < 128 or content[0] != 10:
        return False
    version, packing, bits, planes = *content[1:4], content[65]
    return (
        version in (0, 2, 3, 4, 5)
        and packing in (0, 1)
        and bits in (1, 2, 4, 8)
        and planes in (1, 2, 3, 4)
    )


def _is_tga(content: bytes) -> bool:
    """Returns whether a file is a TGA; the mark at its end exists since 1989 and is often left
    out.
    """
    if content.endswith(TGA_FOOTER):
        return True
    if len(content) < 18:
        return False
    has_palette, kind = content[1:3]
    first, colours, colour_bits, _, _, width, height, bits, flags = struct.unpack_from(
        "<HHBHHHHBB", content, 3
    )
    palette = (
        has_palette == 1 and kind in (1, 9) and first < colours and colour_bits in (15, 16, 24, 32)
    )
    no_palette = (
        has_palette == 0 and kind in (2, 3, 10, 11) and first == colours == colour_bits == 0
    )
    possible = width > 0 and height > 0 and bits in (8, 15, 16, 24, 32) and flags < 64
    return (palette or no_palette) and possible
