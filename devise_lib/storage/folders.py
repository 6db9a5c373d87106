"""Folders of results that are replaced as a whole, so that no reader takes a part for the whole.

| where | a reader finds |
|---|---|
| a local disk | the old folder, the new one or, between two renames, none |
| a store, which knows no rename | files of both; the file that is written last only in a whole |
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from devise_lib.errors import InputError
from devise_lib.paths import is_remote
from devise_lib.storage.stores import store_files


@contextmanager
def draft_of(folder: str) -> Iterator[Path]:
    """Yields a local path at which to make the successor of a folder, for `replace_folder`.

    Nothing exists there at first, and it is removed at the end. It lies beside a local folder. What
    a killed process left there is removed by the next one, so only one process at a time may make a
    draft. For a folder of a store it lies on this machine's disk.
    """
    if is_remote(folder):
        with TemporaryDirectory(prefix="devise-draft-") as scratch:
            yield Path(scratch) / "draft"
        return
    place = Path(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.draft")
    rmtree(draft, ignore_errors=True)
    try:
        yield draft
    finally:
        rmtree(draft, ignore_errors=True)


@contextmanager
def written_to(folder: str) -> Iterator[Path]:
    """Yields a local folder; what the body writes into it lies in `folder` afterwards."""
    if not is_remote(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder)
        return
    with TemporaryDirectory(prefix="devise-draft-") as scratch:
        yield Path(scratch)
        for name in _names_below(Path(scratch)):
            store_files().upload(Path(scratch) / name, f"{folder}/{name}")


def replace_folder(fresh: Path, folder: str, keep: Sequence[str] = (), last: str = "") -> None:
    """Replaces a folder by another, or puts it where there was none.

    The same holds if the process is killed, and the next call finishes its work.

    Args:
        fresh: the new folder. For a local `folder` it is on the same file system, and is moved.
        folder: the folder to replace.
        keep: entries of the old folder that other programs put there. They stay, unless the new
            folder has an entry of that name.
        last: a file of the new folder. On a store it is removed first and written last, so that a
            folder without it is not complete.

    Raises:
        InputError: `folder` is a link or a file, or "<name>.old" cannot be removed. Nothing was
            changed.
        StoreError: the store refuses or does not answer.
    """
    if is_remote(folder):
        _upload(fresh, folder, keep, last)
    else:
        _rename(fresh, Path(folder), keep)


def share_file(source: str, path: str) -> None:
    """Makes a file that never changes appear at another path of the same disk or store.

    On a disk both are links to the same bytes, or the file is copied where the file system has no
    links. A store copies it by itself, so the bytes do not pass through this process.
    """
    if is_remote(path):
        store_files().remote(path).copy(source, path)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def move_file(fresh: str, path: str) -> None:
    """Moves a file to the place of another on the same disk or store; removes it if there is none.

    The bytes of a store's file do not pass through this process.
    """
    if not is_remote(path):
        if Path(fresh).exists():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(fresh).replace(path)
        else:
            Path(path).unlink(missing_ok=True)
        return
    files = store_files()
    if files.status(fresh) is None:
        files.remove(path)
    else:
        files.remote(path).copy(fresh, path)
        files.remove(fresh)


def move_folder(fresh: str, folder: str, last: str) -> None:
    """Moves a folder to the place of another on the same disk or store.

    The bytes of a store's files do not pass through this process.

    Args:
        fresh: the new folder.
        folder: the folder to replace.
        last: a file of the new folder, as for `replace_folder`.
    """
    if not is_remote(folder):
        _rename(Path(fresh), Path(folder), ())
        return
    files, store = store_files(), store_files().remote(folder)
    names, before = (
        [status.path.removeprefix(f"{place}/") for status in files.below(place)]
        for place in (fresh, folder)
    )
    files.remove(f"{folder}/{last}")
    for name in sorted(names, key=lambda name: name == last):
        store.copy(f"{fresh}/{name}", f"{folder}/{name}")
    for name in set(before) - set(names):
        files.remove(f"{folder}/{name}")
    files.remove(fresh)


def _upload(fresh: Path, folder: str, keep: Sequence[str], last: str) -> None:
    files = store_files()
    names = _names_below(fresh)
    before = [status.path.removeprefix(f"{folder}/") for status in files.below(folder)]
    if last:
        files.remove(f"{folder}/{last}")
    for name in names:
        if name != last:
            files.upload(fresh / name, f"{folder}/{name}")
    for name in set(before) - set(names):
        if name.partition("/")[0] not in keep:
            files.remove(f"{folder}/{name}")
    if last:
        files.upload(fresh / last, f"{folder}/{last}")


def _names_below(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def _rename(fresh: Path, folder: Path, keep: Sequence[str]) -> None:
    """Renames `fresh`; the old folder lies beside it, as "<name>.old", until all is done."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(
            f"{folder} is a link or a file where a folder is to be written: move it away"
        )
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not folder.exists():  # an earlier call was killed between its renames
        old.rename(folder)
    _clear(old, folder, keep)  # an earlier call may have been killed after them
    if os.path.lexists(old):
        raise InputError(
            f"{old} is in the way of a new {folder.name} and cannot be removed: remove it yourself"
        )
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    _clear(old, folder, keep)


def _clear(old: Path, folder: Path, keep: Sequence[str]) -> None:
    for name in keep:
        if (old / name).exists() and not (folder / name).exists():
            (old / name).rename(folder / name)
    rmtree(old, ignore_errors=True)
