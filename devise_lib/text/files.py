"""What reading a dump asks of a file system; and the local one.

Paths are strings, since a dump may lie where there are no paths but URIs
(devise_lib/spark/hadoop_files.py).
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A file or folder; `name` is the last part of its path."""

    path: str
    name: str
    size: int
    is_folder: bool


class Files(Protocol):
    """A file system, read by ranges."""

    def status(self, path: str) -> FileStatus | None:
        """What lies at `path`; None if nothing does."""

    def children(self, folder: str) -> list[FileStatus]:
        """What lies directly in a folder, by name."""

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
        return FileStatus(path, file.name, file.stat().st_size, file.is_dir())

    def children(self, folder: str) -> list[FileStatus]:
        found = (self.status(os.path.join(folder, name)) for name in sorted(os.listdir(folder)))
        return [status for status in found if status is not None]  # a link may point nowhere

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:  # noqa: ARG002
        file = io.FileIO(path)
        file.seek(start)
        return file


LOCAL_FILES = LocalFiles()
