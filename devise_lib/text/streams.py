"""The bytes of a dump: plain or bz2, a range of them, in chunks of bounded size."""

import bz2
import re
from collections.abc import Iterator
from pathlib import Path

from devise_lib.errors import InputError

_READ_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 20  # of decompressed data; bz2 can blow one byte up to thousands
_PEEK_BYTES = 1 << 20  # more than one bz2 block of level 9 takes, so that it can be decoded

# A stream starts "BZh", level 1 to 9, then its first block's magic number (pi in BCD).
_STREAM_HEAD = re.compile(rb"BZh[1-9]\x31\x41\x59\x26\x53\x59")
_STREAM_HEAD_BYTES = 10


class BrokenStreamError(Exception):
    """The bytes end too early or are not bz2; `offset` says how far the file was read."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


def plain_chunks(path: str, start: int, stop: int | None) -> Iterator[tuple[int, bytes]]:
    """Bytes `start` to `stop` of a file, each chunk with the offset of its end in the file.

    Raises:
        BrokenStreamError: the file ends before `stop`.
    """
    with open(path, "rb") as file:
        file.seek(start)
        offset = start
        while stop is None or offset < stop:
            limit = _READ_BYTES if stop is None else min(_READ_BYTES, stop - offset)
            data = file.read(limit)
            if not data:
                break
            offset += len(data)
            yield offset, data
    if stop is not None and offset < stop:
        raise BrokenStreamError(offset, f"the file ends there, want {stop} bytes")


def bz2_chunks(path: str, start: int, stop: int | None) -> Iterator[tuple[int, bytes]]:
    """What the bz2 streams in bytes `start` to `stop` hold, in chunks of at most 1 MiB.

    Each chunk comes with the offset up to which the compressed file has been read for it.

    Raises:
        BrokenStreamError: a stream is cut off or is not bz2.
    """
    stream = bz2.BZ2Decompressor()
    offset, begun = start, False
    for offset, data in plain_chunks(path, start, stop):
        while data or (begun and not stream.eof and not stream.needs_input):
            try:
                out = stream.decompress(data, _CHUNK_BYTES)
            except OSError:
                raise BrokenStreamError(offset, "what follows is not bz2") from None
            begun = True
            if out:
                yield offset, out
            data = stream.unused_data
            if stream.eof:
                stream, begun = bz2.BZ2Decompressor(), False
    if begun:
        raise BrokenStreamError(offset, "the file ends inside a bz2 stream")


def scan_stream_heads(path: Path) -> Iterator[int]:
    """Offsets at which bz2 streams start, ascending, found by their first ten bytes."""
    with path.open("rb") as file:
        offset, tail = 0, b""
        while data := file.read(_READ_BYTES * 4):
            window = tail + data
            base = offset - len(tail)
            for match in _STREAM_HEAD.finditer(window):
                yield base + match.start()
            offset += len(data)
            tail = window[-(_STREAM_HEAD_BYTES - 1) :]


def indexed_heads(index: Path) -> Iterator[int]:
    """Stream offsets that a multistream index names, ascending, each once.

    Raises:
        InputError: a line is not `offset:page id:title`, or the index is cut off.
    """
    with index.open("rb") as file:
        packed = file.read(3) == b"BZh"
    last = -1
    try:
        with bz2.open(index) if packed else index.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                field = line.partition(b":")[0]
                if not field.isdigit() or int(field) < last:
                    raise InputError(
                        f"{index}, line {number}: want offset:page id:title, offsets ascending, "
                        f"got {line[:80]!r}"
                    )
                if int(field) > last:
                    last = int(field)
                    yield last
    except (EOFError, OSError) as error:
        raise InputError(f"{index}: cut off or broken ({error}); fetch the index again") from None


def first_bytes(path: Path, head: int) -> bytes | None:
    """How the bz2 stream at byte `head` begins, up to 64 bytes; None if none starts there."""
    with path.open("rb") as file:
        file.seek(head)
        data = file.read(_PEEK_BYTES)
    try:
        return bz2.BZ2Decompressor().decompress(data, 64) if data else None
    except OSError:
        return None
