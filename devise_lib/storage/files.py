"""The interface of a file system, and its implementation for local files.

Paths are strings, because files of stores have URIs instead of paths (see `remote` for those, and
`stores` for what opens both).
"""

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A file or folder.

    Attributes:
        path: its path or URI.
        name: the last part of the path.
        size: in bytes.
        is_folder: whether it is a folder.
        modified_s: the time of its last change, seconds since 1970; 0 if the store has none.
        etag: what a store says of the content; it changes with it. "" where there is none.
    """

    path: str
    name: str
    size: int
    is_folder: bool
    modified_s: float
    etag: str = ""


class Files(Protocol):
    """A file system. A file is read by byte ranges and replaced as a whole.

    Where a store refuses or does not answer, every method raises InputError. Local files raise
    OSError.
    """

    def status(self, path: str) -> FileStatus | None:
        """Returns the status of `path`; None if it does not exist."""

    def children(self, folder: str) -> list[FileStatus]:
        """Returns the status of everything directly in a folder, sorted by name."""

    def entries(self, folder: str) -> Iterator[FileStatus]:
        """Yields the status of everything directly in a folder, in any order, for folders of
        millions.

        Names that begin with a dot and broken links are left out.

        Raises:
            FileNotFoundError: the folder does not exist, or no longer does.
            InputError, OSError: it cannot be listed.
        """

    def below(self, folder: str) -> Iterator[FileStatus]:
        """Yields every file in a folder and below it; nothing if there is no such folder.

        Links to local folders are not followed, because they may lead back.
        """

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:
        """Opens the file's bytes from `start` on; the caller must not read beyond `stop`.

        A read may return fewer bytes than requested, and returns none only at the file's end.
        """

    def read(self, path: str) -> bytes | None:
        """Returns the content of a small file; None if it does not exist."""

    def write(self, path: str, content: bytes) -> None:
        """Writes a file atomically: readers find the old content or the new one, never a part."""

    def remove(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it; does nothing if neither exists."""

    def upload(self, source: Path, path: str) -> None:
        """Copies a local file to `path`, atomically."""

    def download(self, path: str, target: Path) -> None:
        """Copies a file to a local path, whose folder must exist.

        Raises:
            FileNotFoundError: the file does not exist.
        """


class LocalFiles:
    """The file system of this process."""

    def status(self, path: str) -> FileStatus | None:
        file = Path(path)
        if not file.exists():
            return None
        found = file.stat()
        return FileStatus(path, file.name, found.st_size, file.is_dir(), found.st_mtime)

    def children(self, folder: str) -> list[FileStatus]:
        found = (self.status(os.path.join(folder, name)) for name in sorted(os.listdir(folder)))
        return [status for status in found if status is not None]  # without broken links

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

    def below(self, folder: str) -> Iterator[FileStatus]:
        for root, _, names in os.walk(folder):
            for name in names:
                status = self.status(os.path.join(root, name))
                if status is not None and not status.is_folder:
                    yield status

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:  # noqa: ARG002
        file = io.FileIO(path)
        file.seek(start)
        return file

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(path), lambda draft: draft.write_bytes(content))

    def remove(self, path: str) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    def upload(self, source: Path, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(path), lambda draft: shutil.copyfile(source, draft))

    def download(self, path: str, target: Path) -> None:
        shutil.copyfile(path, target)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file atomically: readers find the old file or the new one, never a part.

    Args:
        path: of the file; its folder must exist.
        write: writes to the path that it is given; that file then replaces `path`. Two processes
            may do so at once; the last one's file remains.
    """
    draft = path.with_name(f".{path.name}-{uuid4().hex}")  # machines may share process numbers
    try:
        write(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folders_in(files: Files, folder: str) -> list[str] | None:
    """Returns the names of the folders in a folder; None if there is no such folder."""
    status = files.status(folder)
    if status is None or not status.is_folder:
        return None
    return [each.name for each in files.children(folder) if each.is_folder]


LOCAL_FILES = LocalFiles()
