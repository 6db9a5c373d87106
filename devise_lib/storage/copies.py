"""Files that are made or read on this machine's disk, and lie on a store."""

import hashlib
import io
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any, BinaryIO, cast

from filelock import FileLock

from devise_lib.errors import InputError
from devise_lib.paths import is_remote, last_part
from devise_lib.storage.files import file_sha256, write_atomically
from devise_lib.storage.settings import one_scheme
from devise_lib.storage.stores import store_files

CACHE_S = 7 * 24 * 3600.0  # A copy that nobody has asked for in this time is removed.


def write_file(path: str, write: Callable[[Path], object]) -> None:
    """Writes a file of any size atomically.

    Args:
        path: of the file.
        write: writes to the local path that it is given.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="devise-file-") as scratch:
            made = Path(scratch) / path.rpartition("/")[2]
            write(made)
            store_files().upload(made, path)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, write)


@dataclass(frozen=True)
class WrittenFile:
    """The size of a file in bytes, and its SHA-256, hexadecimal."""

    size: int
    sha256: str


def write_hashed(path: str, write: Callable[[BinaryIO], object]) -> WrittenFile:
    """Writes a file of any size atomically, and returns its size and digest.

    The digest is computed from what is written, so the file is not read again.

    Args:
        path: of the file.
        write: writes to the open file that it is given; it must not seek.
    """
    found: list[WrittenFile] = []

    def write_local(target: Path) -> None:
        with target.open("wb") as file:
            hashing = _HashingFile(file)
            write(cast(BinaryIO, hashing))
            found.append(WrittenFile(hashing.size, hashing.digest.hexdigest()))

    write_file(path, write_local)
    return found[0]


@contextmanager
def fetched(path: str) -> Iterator[Path]:
    """Yields a local path of a file: its own, or that of a copy that is removed afterwards.

    Raises:
        FileNotFoundError: there is no such file in the store.
    """
    if not is_remote(path):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="devise-file-") as scratch:
        copy = Path(scratch) / path.rpartition("/")[2]
        store_files().download(path, copy)
        yield copy


@contextmanager
def fetched_folder(folder: str) -> Iterator[Path]:
    """Yields the local path of a folder: its own, or that of a copy that is removed afterwards."""
    if not is_remote(folder):
        yield Path(folder)
        return
    files = store_files()
    with tempfile.TemporaryDirectory(prefix="devise-folder-") as scratch:
        for status in files.below(folder):
            copy = Path(scratch) / status.path.removeprefix(f"{folder}/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            files.download(status.path, copy)
        yield Path(scratch)


def cached_folder(folder: str, files: Mapping[str, str]) -> Path:
    """Returns a local path of a folder: its own, or that of a copy which processes share.

    Folders that have a file in common share its copy.

    Args:
        folder: of the files.
        files: from their paths in the folder to their SHA-256, hexadecimal, which names the copies.

    Raises:
        FileNotFoundError: there is no such file in the store.
        InputError: a file in the store has another digest.
    """
    if not is_remote(folder):
        return Path(folder)
    root = cache_folder()
    copy = root / f"folder-{hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()}"
    # One of several processes fetches it.
    with FileLock(root / "lock", preserve_lock_file=True):
        if not copy.exists():
            _remove_unused(root)
            with tempfile.TemporaryDirectory(prefix=".draft-", dir=root) as scratch:
                draft = Path(scratch) / "folder"
                for path, sha256 in files.items():
                    content = root / f"file-{sha256}"
                    if not content.exists():
                        write_atomically(content, partial(_fetch, f"{folder}/{path}", sha256))
                    (draft / path).parent.mkdir(parents=True, exist_ok=True)
                    os.link(content, draft / path)
                draft.rename(copy)
        os.utime(copy)
    return copy


def state_folder(work_dir: str) -> Path:
    """Returns the local folder of what only a disk can hold: logs that grow, MLflow's SQLite file.

    It is the work folder itself, or a folder below the user's home for a work folder on a store.
    """
    if not is_remote(work_dir):
        return Path(work_dir)
    digest = hashlib.sha256(one_scheme(work_dir).encode()).hexdigest()
    return Path.home() / ".devise" / f"{last_part(work_dir)}-{digest[:8]}"


def cache_folder() -> Path:
    """Returns the folder of this user's copies, below TMPDIR."""
    folder = Path(tempfile.gettempdir()) / f"devise-cache-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()  # of the folder itself, because others may put a link there
    if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode):
        raise InputError(f"{folder} belongs to another user: set TMPDIR to a folder of your own")
    return folder


class _HashingFile(io.RawIOBase):
    """Passes what is written to a file on, and hashes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += memoryview(data).nbytes
        return self._file.write(data)


def _fetch(path: str, sha256: str, target: Path) -> None:
    store_files().download(path, target)
    if (got := file_sha256(target)) != sha256:
        raise InputError(f"{path} was changed: its SHA-256 is {got}, want {sha256}")


def _remove_unused(root: Path) -> None:
    for folder in root.glob("folder-*"):
        if time.time() - folder.stat().st_mtime > CACHE_S:
            rmtree(folder)
    for file in root.glob("file-*"):
        if file.stat().st_nlink == 1:  # no folder has it any more
            file.unlink()
