"""Files that are made or read on this machine's disk, and lie on a store."""

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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


def cached(path: str, sha256: str) -> Path:
    """Returns a local path of a file: its own, or that of a copy which processes share.

    Args:
        path: of the file.
        sha256: of its content, hexadecimal; it names the copy.

    Raises:
        FileNotFoundError: there is no such file in the store.
        InputError: the file in the store has another digest.
    """
    if not is_remote(path):
        return Path(path)
    root = cache_folder()
    copy = root / f"{sha256}-{path.rpartition('/')[2]}"
    # One of several processes fetches it.
    with FileLock(root / f"{sha256}.lock", preserve_lock_file=True):
        if not copy.exists():
            _remove_unused(root)
            write_atomically(copy, lambda draft: _fetch(path, sha256, draft))
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


def _fetch(path: str, sha256: str, target: Path) -> None:
    store_files().download(path, target)
    if (got := file_sha256(target)) != sha256:
        raise InputError(f"{path} was changed: its SHA-256 is {got}, want {sha256}")


def _remove_unused(root: Path) -> None:
    for path in root.glob("*-*"):  # without the locks
        with suppress(FileNotFoundError):  # Another process removes it.
            if time.time() - path.stat().st_mtime > CACHE_S:
                path.unlink()
