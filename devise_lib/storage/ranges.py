"""Files that are read by byte ranges, as streams."""

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from devise_lib.storage.files import Files


class SeekableFile(io.RawIOBase):
    """A seekable file; each read opens a byte range.

    To read at many offsets, wrap it in an io.BufferedReader with a small buffer.

    Args:
        files: the file system.
        path: of the file.
        size: of the file in bytes.
    """

    def __init__(self, files: Files, path: str, size: int) -> None:
        self._files, self._path, self._size, self._at = files, path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._size - self._at)
        if count <= 0:
            return 0
        with self._files.open_range(self._path, self._at, self._at + count) as part:
            data = part.read(count) or b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class ReadAhead(io.RawIOBase):
    """A range of a file, fetched piece by piece. A thread fetches the piece after the current one.

    Args:
        fetch: returns the bytes between two places, fewer at the file's end.
        start, stop: of the range.
        piece_bytes: of a piece; two pieces are held.
    """

    def __init__(
        self, fetch: Callable[[int, int], bytes], start: int, stop: int, piece_bytes: int
    ) -> None:
        self._fetch, self._at, self._stop, self._piece_bytes = fetch, start, stop, piece_bytes
        self._piece = memoryview(b"")
        self._thread: ThreadPoolExecutor | None = None
        self._next: Future[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece:
            self._piece = memoryview(self._take())
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _take(self) -> bytes:
        """Returns the next piece, and begins to fetch the one after it; b"" at the end."""
        first, last = self._at, min(self._at + self._piece_bytes, self._stop)
        if first >= last:
            return b""
        piece = self._next.result() if self._next else self._fetch(first, last)
        if len(piece) < last - first:  # the end of the file
            self._stop = first + len(piece)
        self._at, self._next = first + len(piece), None
        if self._at < self._stop:
            self._thread = self._thread or ThreadPoolExecutor(1, "read-ahead")
            more = min(self._at + self._piece_bytes, self._stop)
            self._next = self._thread.submit(self._fetch, self._at, more)
        return piece
