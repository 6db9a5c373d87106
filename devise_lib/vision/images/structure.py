"""Finds damage by a file's own structure, where a decoder says only that it failed.

Pillow has the same error for most formats, whether the end of a photo is missing or bytes in it are
wrong. It also decodes a PNG whose bytes changed on a disk, if they can still be inflated.
"""

import struct
import zlib
from collections.abc import Iterator

BIG_TIFF = (b"II+\0", b"MM\0+")
MAGIC = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG",),
    "GIF": (b"GIF8",),
    "TIFF": (b"II*\0", b"MM\0*", *BIG_TIFF),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
}
AVIF_BRANDS = {b"avif", b"avis"}
TIFF_PARTS = ((273, 279), (324, 325))  # tags: start and number of bytes of strips, of tiles
TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

WORDS = ("truncated", "unexpected end", "eof", "not enough")  # Pillow's, about truncated files


def kind_of(content: bytes) -> str:
    """Returns the format of a file by its first bytes, of those that Pillow is to read; "" for
    others.

    BMP and PPM are left out because many texts begin with their two letters, and because Pillow's
    readers of them name the error themselves.
    """
    for kind, magics in MAGIC.items():
        if content.startswith(magics):
            return kind
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WebP"
    return "AVIF" if brands_of(content) & AVIF_BRANDS else ""


def brands_of(content: bytes) -> set[bytes]:
    """Returns the brands that an ISO media file (HEIF, AVIF, MP4) names in its first box."""
    if content[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(content[:4]), 4096)
    return {content[8:12], *(content[at : at + 4] for at in range(16, min(end, len(content)), 4))}


def is_cut(content: bytes, complaint: str = "") -> bool:
    """Returns whether a file that cannot be decoded is truncated, as opposed to damaged inside.

    Args:
        content: the file.
        complaint: the message of its decoder.
    """
    if any(word in complaint.lower() for word in WORDS):
        return True
    try:
        return _ends_too_soon(content)
    except (struct.error, IndexError):  # a length or an offset leads beyond the end
        return True


def has_bad_checksum(png: bytes) -> bool:
    """Returns whether the checksum of a PNG's pixel data is wrong, so that bytes have changed."""
    view = memoryview(png)  # a slice of it is no copy
    return any(
        zlib.crc32(view[at + 4 : at + 8 + length])
        != int.from_bytes(view[at + 8 + length : at + 12 + length])
        for at, name, length in _chunks(png)
        if name == b"IDAT" and at + 12 + length <= len(png)
    )


def tile_parts_are_there(jpeg_2000: bytes) -> bool:
    """Returns whether each tile of a JPEG 2000 has all its bytes, by the lengths in its headers.

    Raises:
        struct.error: the file is cut within a header.
    """
    at = jpeg_2000.find(b"\xff\x4f\xff\x51")  # the codestream, which a JP2 file has in a box
    if at < 0:
        return False
    right, bottom, _, _, width, height, left, top = struct.unpack_from(">8I", jpeg_2000, at + 8)
    if not width or not height:
        return False
    tiles = -(-(right - left) // width) * -(-(bottom - top) // height)
    parts: dict[int, int] = {}  # tile -> missing parts; 0 if no header states their number
    at += 2
    while jpeg_2000[at : at + 2] != b"\xff\x90":  # other headers, with their length
        at += 2 + struct.unpack_from(">H", jpeg_2000, at + 2)[0]
    while jpeg_2000[at : at + 2] == b"\xff\x90":
        tile, length, part, count = struct.unpack_from(">HIBB", jpeg_2000, at + 4)
        if length < 14 or at + length > len(jpeg_2000):  # length 0: up to the end mark
            return False
        parts[tile] = count - part - 1 if count else 0
        at += length
    return len(parts) == tiles and not any(parts.values())


def _ends_too_soon(content: bytes) -> bool:
    match kind_of(content):
        case "JPEG":
            return _jpeg_is_cut(content)
        case "PNG":
            return _png_is_cut(content)
        case "GIF":
            return _gif_is_cut(content)
        case "WebP":
            return len(content) < 8 + struct.unpack_from("<I", content, 4)[0]
        case "TIFF":
            return _tiff_is_cut(content)
        case "AVIF":
            return _boxes_are_cut(content)
        case "JPEG 2000":
            return b"\xff\xd9" not in content[content.find(b"\xff\x93") :]
    return False


def _chunks(png: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yields offset, name and length of each chunk, up to the last one whose header is there."""
    at = 8
    while at + 8 <= len(png):
        length, name = struct.unpack_from(">I4s", png, at)
        yield at, name, length
        if name == b"IEND":
            return
        at += 12 + length


def _png_is_cut(content: bytes) -> bool:
    # Cut if all that is there are chunks, and none of them is the last one.
    return all(name.isalpha() and name != b"IEND" for _, name, _ in _chunks(content))


def _jpeg_is_cut(content: bytes) -> bool:
    at = 2
    while content[at] == 0xFF:
        if content[at + 1] == 0xDA:  # the pixels follow; an end mark before them is a thumbnail's
            return content.find(b"\xff\xd9", at) < 0
        padded = content[at + 1] == 0xFF
        at += 1 if padded else 2 + struct.unpack_from(">H", content, at + 2)[0]
    return False


def _gif_is_cut(content: bytes) -> bool:
    at = 13 + _palette_bytes(content[10])
    while content[at] in b"!,":
        if content[at] == ord("!"):  # an extension
            at += 2
        else:  # a frame
            at += 11 + _palette_bytes(content[at + 9])
        while content[at]:  # blocks, each after its length, up to one of length 0
            at += 1 + content[at]
        at += 1
    return False


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** (1 + flags % 8) if flags & 0x80 else 0


def _tiff_is_cut(content: bytes) -> bool:
    if content.startswith(BIG_TIFF):
        return False  # 64-bit offsets are for files beyond 4 GB, which are no photos
    order = "<" if content.startswith(b"II") else ">"
    [directory] = struct.unpack_from(f"{order}I", content, 4)
    [entries] = struct.unpack_from(f"{order}H", content, directory)
    numbers: dict[int, tuple[int, ...]] = {}
    for at in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", content, at)
        length = count * TIFF_BYTES.get(kind, 0)
        [place] = struct.unpack_from(f"{order}I", content, at + 8) if length > 4 else (at + 8,)
        if place + length > len(content):
            return True
        if kind in (3, 4):
            letter = {3: "H", 4: "I"}[kind]
            numbers[tag] = struct.unpack_from(f"{order}{count}{letter}", content, place)
    return any(
        start + length > len(content)
        for starts, lengths in TIFF_PARTS
        for start, length in zip(numbers.get(starts, ()), numbers.get(lengths, ()), strict=False)
    )


def _boxes_are_cut(content: bytes) -> bool:
    at, names = 0, set()
    while at < len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        if size == 1:  # the size has 64 bits and comes after the name
            [size] = struct.unpack_from(">Q", content, at + 8)
        if size < 8:  # 0: up to the end of the file
            return False
        names.add(name)
        at += size
    return at > len(content) or b"mdat" not in names
