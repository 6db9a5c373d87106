"""What reading dumps and archives asks of a file system; and the local one.

Paths are strings, since a file may lie where there are no paths but URIs
(devise_lib/spark/platform/hadoop_files.py).
"""

import errno
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A file or folder; `name` is the last part of its path, `modified_s` its time since 1970."""

    path: str
    name: str
    size: int
    is_folder: bool
    modified_s: float


class Files(Protocol):
    """A file system, read by ranges."""

    def status(self, path: str) -> FileStatus | None:
        """What lies at `path`; None if nothing does."""

    def children(self, folder: str) -> list[FileStatus]:
        """What lies directly in a folder, by name."""

    def entries(self, folder: str) -> Iterator[FileStatus]:
        """The same in no order and one at a time, for folders of millions; a name that begins
        with a dot is left out, and so is a link to nowhere.

        Raises:
            FileNotFoundError: there is no such folder (any more).
            InputError, OSError: it cannot be listed.
        """

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:
        """The file's bytes from `start` on; the caller reads none beyond `stop`.

        A read may give fewer bytes than it was asked for, and none only at the file's end.
        """


class LocalFiles:
    """The file system that this process sees."""

    def status(self, path: str) -> FileStatus | None:
        file = Path(path)
        if not file.exists():
            return None
        found = file.stat()
        return FileStatus(path, file.name, found.st_size, file.is_dir(), found.st_mtime)

    def children(self, folder: str) -> list[FileStatus]:
        found = (self.status(os.path.join(folder, name)) for name in sorted(os.listdir(folder)))
        return [status for status in found if status is not None]  # a link may point nowhere

    def entries(self, folder: str) -> Iterator[FileStatus]:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                try:
                    status, is_folder = entry.stat(), entry.is_dir()
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as error:
                    if error.errno == errno.ELOOP:  # a link to itself
                        continue
                    raise
                yield FileStatus(entry.path, entry.name, status.st_size, is_folder, status.st_mtime)

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:  # noqa: ARG002
        file = io.FileIO(path)
        file.seek(start)
        return file


class SeekableFile(io.RawIOBase):
    """A file that may be read at any place; each read opens a range of its own.

    Wrap it in an io.BufferedReader of few bytes to look at many places.
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


LOCAL_FILES = LocalFiles()
