"""Writes TIFF files byte by byte, with any samples in any layout, without any library."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

TYPES = {"B": 7, "H": 3, "I": 4, "h": 8, "i": 9, "f": 11, "d": 12}  # of struct -> of TIFF
UNCOMPRESSED, DEFLATE = 1, 8
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def tiff_of(
    samples: np.ndarray, photometric: int, order: str = "<", *, bits: int = 0, planar: int = 1,
    compression: int = UNCOMPRESSED, rows: int = 0, tile: int = 0, predictor: int = 1,
    low_bits_first: bool = False, **tags: int | tuple[str, list],
) -> bytes:  # fmt: skip
    """A TIFF of (height, width, samples per pixel), its directory last.

    Args:
        samples: of any type of numpy's that TIFF has.
        photometric: 0 grey with 0 as white, 1 grey, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 CIELab.
        order: of the bytes, "<" or ">".
        bits: of a sample, where they are fewer than the type's: packed.
        planar: 2 for a plane per sample.
        compression: UNCOMPRESSED or DEFLATE.
        rows: per strip; all by default.
        tile: the side of square tiles, in place of strips.
        predictor: 2 for differences of whole numbers, 3 for those of floats.
        low_bits_first: FillOrder 2.
        tags: t338=1 and the like: one short number, or the letter of struct and the numbers.
    """
    height, width, count = samples.shape
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    depth = bits or samples.dtype.itemsize * 8
    planes = [samples] if planar == 1 else [samples[..., i : i + 1] for i in range(count)]
    parts = []
    for block in (block for plane in planes for block in _blocks(plane, rows or height, tile)):
        part = _packed(_predicted(block, predictor), bits, order)
        part = zlib.compress(part) if compression == DEFLATE else part
        part = part.translate(MIRRORED) if low_bits_first else part
        parts.append(part + bytes(len(part) % 2))
    starts = [8 + sum(map(len, parts[:i])) for i in range(len(parts))]
    lengths = [len(part) for part in parts]
    values: dict[int, tuple[str, list]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [depth] * count),
        259: ("H", [compression]),
        262: ("H", [photometric]),
        277: ("H", [count]),
        339: ("H", [kind] * count),
    }
    if tile:
        values |= {322: ("I", [tile]), 323: ("I", [tile]), 324: ("I", starts), 325: ("I", lengths)}
    else:
        values |= {273: ("I", starts), 278: ("I", [rows or height]), 279: ("I", lengths)}
    values |= {284: ("H", [planar])} if planar != 1 else {}
    values |= {317: ("H", [predictor])} if predictor != 1 else {}
    values |= {266: ("H", [2])} if low_bits_first else {}
    for tag, value in tags.items():
        values[int(tag[1:])] = value if isinstance(value, tuple) else ("H", [value])
    return with_directory(b"".join(parts), values, order)


def with_directory(data: bytes, values: dict[int, tuple[str, list]], order: str = "<") -> bytes:
    """A TIFF of bytes from place 8 on, and of the tags behind them."""
    directory = 8 + len(data)
    spare = directory + 2 + 12 * len(values) + 4
    entries, beyond = b"", b""
    for tag, (letter, numbers) in sorted(values.items()):
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        place = packed.ljust(4, b"\0")
        if len(packed) > 4:
            place = struct.pack(f"{order}I", spare + len(beyond))
            beyond += packed + bytes(len(packed) % 2)
        entries += struct.pack(f"{order}HHI", tag, TYPES[letter], len(numbers)) + place
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(f"{order}I", directory)
    return head + data + struct.pack(f"{order}H", len(values)) + entries + bytes(4) + beyond


def _blocks(plane: np.ndarray, rows: int, tile: int) -> Iterator[np.ndarray]:
    height, width, _ = plane.shape
    if not tile:
        yield from (plane[top : top + rows] for top in range(0, height, rows))
        return
    padded = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            yield padded[top : top + tile, left : left + tile]


def _predicted(block: np.ndarray, predictor: int) -> np.ndarray:
    if predictor == 2:
        return np.concatenate([block[:, :1], np.diff(block, axis=1)], axis=1)
    if predictor == 3:  # the bytes of a row's samples: all first ones, then all second ones, ...
        height, _, count = block.shape
        size = block.dtype.itemsize
        rows = block.astype(f">f{size}").reshape(height, -1).view(np.uint8)
        rows = rows.reshape(height, -1, size).swapaxes(1, 2).reshape(height, -1, count)
        return np.concatenate([rows[:, :1], np.diff(rows, axis=1)], axis=1)
    return block


def _packed(block: np.ndarray, bits: int, order: str) -> bytes:
    if not bits:
        return block.astype(block.dtype.newbyteorder(order)).tobytes()
    rows = block.reshape(len(block), -1, 1).astype(np.uint32)
    single = (rows >> np.arange(bits - 1, -1, -1, dtype=np.uint32)) & 1
    return np.packbits(single.astype(np.uint8).reshape(len(block), -1), axis=1).tobytes()
