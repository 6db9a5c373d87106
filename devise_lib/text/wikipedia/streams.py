"""Reads a byte range of a dump, plain or bz2, in verified chunks of bounded size."""

import bz2
import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal

from devise_lib.storage.files import Files

Reason = Literal["truncated", "corrupt", "not_well_formed", "count_differs"]

_READ_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 20  # of decompressed data; bz2 can expand one byte to thousands
_WINDOW_BYTES = 1 << 20  # more than a bz2 block of level 9, so that one can be decoded

# libbz2 returns the bytes of a block before it has verified the block's checksum. A flipped bit can
# therefore give garbage, well-formed or not, long before the error. For this reason bytes are held
# back until their stream has ended without an error. Streams of a multistream dump have a few MB.
# Of a longer stream only the newest 47 MB are held. A block has at most 900,000 bytes before its
# last step, run lengths, in which 5 bytes (4 equal ones and a count) stand for at most 259. Bytes
# with 46.62 MB after them are thus of a block that has ended and was verified.
_HELD_BYTES = 47_000_000

# A stream starts with "BZh", the level 1 to 9, and its first block's magic number (pi in BCD).
_STREAM_HEAD = re.compile(rb"BZh[1-9]\x31\x41\x59\x26\x53\x59")
_STREAM_HEAD_BYTES = 10


@dataclass(frozen=True, slots=True)
class Chunk:
    """Verified bytes.

    Attributes:
        data: the bytes, decompressed.
        origin: their offset in the file: the start of their bz2 stream, or their own.
        offset: how far the file had been read for them.
    """

    data: bytes
    origin: int
    offset: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes from `start` on that cannot be read; the error was found at byte `fault`."""

    start: int
    fault: int
    reason: Reason
    message: str


def plain_chunks(files: Files, path: str, start: int, stop: int) -> Iterator[Chunk | Gap]:
    """Yields bytes `start` to `stop` of a file, and a gap at the end if the file is shorter."""
    offset = start
    for offset, data in _reads(files, path, start, stop):
        yield Chunk(data, offset - len(data), offset)
    if offset < stop:
        yield _too_short(offset, stop)


def bz2_chunks(files: Files, path: str, start: int, stop: int) -> Iterator[Chunk | Gap]:
    """Yields the contents of the bz2 streams in bytes `start` to `stop`, in chunks of at most 1
    MiB.

    A damaged stream is left at its error: its bytes that are still held back are dropped, and a gap
    is yielded. Reading continues at the next stream after its start. If the end of the file cuts
    off a stream, every whole block of it is yielded, because whole blocks were verified.
    """
    at: int | None = start
    while at is not None:
        gap = yield from _streams(files, path, at, stop)
        if gap is None:
            return
        yield gap
        at = next_stream(files, path, gap.start + 1, stop, b"")


def _streams(files: Files, path: str, start: int, stop: int) -> Generator[Chunk, None, Gap | None]:
    """Yields the chunks of consecutive streams; returns the first gap, or None at the end."""
    stream, begun, head = bz2.BZ2Decompressor(), False, start
    held: deque[Chunk] = deque()
    held_bytes, offset = 0, start
    for offset, data in _reads(files, path, start, stop):
        while data or (begun and not stream.eof and not stream.needs_input):
            try:
                out = stream.decompress(data, _CHUNK_BYTES)
            except OSError:
                return Gap(head, offset, "corrupt", f"no whole bz2 stream starts at byte {head}")
            begun, data = True, stream.unused_data
            if out:
                held.append(Chunk(out, head, offset))
                held_bytes += len(out)
            while held and held_bytes - len(held[0].data) >= _HELD_BYTES:
                held_bytes -= len(held[0].data)
                yield held.popleft()
            if stream.eof:
                yield from held
                held.clear()
                stream, begun, held_bytes = bz2.BZ2Decompressor(), False, 0
                head = offset - len(data)
    if begun:  # the held chunks are of whole blocks
        yield from held
        return Gap(head, offset, "truncated", "the file ends inside a bz2 stream")
    return None if offset >= stop else _too_short(offset, stop)


def _too_short(offset: int, stop: int) -> Gap:
    return Gap(offset, offset, "truncated", f"the file ends there, want {stop} bytes")


def _reads(files: Files, path: str, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Yields the raw bytes in pieces, each with the offset of its end."""
    with files.open_range(path, start, stop) as file:
        offset = start
        while offset < stop and (data := file.read(min(_READ_BYTES, stop - offset))):
            offset += len(data)
            yield offset, data


def next_stream(files: Files, path: str, start: int, stop: int, opening: bytes) -> int | None:
    """Returns the start of the first bz2 stream in bytes `start` to `stop` whose text begins so.

    Streams are searched by their first ten bytes and tried. Empty ones, and those whose beginning
    cannot be decompressed, are skipped.

    Args:
        files: the file system.
        path: of the file.
        start, stop: the range in which the stream starts.
        opening: how the stream's text begins, after blanks.
    """
    offset, tail = start, b""
    while offset < stop + _STREAM_HEAD_BYTES:
        end = offset + _WINDOW_BYTES
        data = b"".join(data for _, data in _reads(files, path, offset, end))
        window = tail + data
        base = offset - len(tail)
        for match in _STREAM_HEAD.finditer(window):
            head = base + match.start()
            if head >= stop:
                return None
            text = first_bytes(files, path, head)
            if text and text.lstrip().startswith(opening):
                return head
        if len(data) < _WINDOW_BYTES:
            return None
        offset, tail = end, window[-(_STREAM_HEAD_BYTES - 1) :]
    return None


def first_bytes(files: Files, path: str, head: int) -> bytes | None:
    """Returns the first 64 bytes of the bz2 stream at byte `head`; None if no stream starts
    there.
    """
    data = b"".join(data for _, data in _reads(files, path, head, head + _WINDOW_BYTES))
    try:
        return bz2.BZ2Decompressor().decompress(data, 64) if data else None
    except OSError:
        return None
