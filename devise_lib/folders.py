"""Folders of results that are replaced atomically, so that a reader never finds a part of one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from devise_lib.errors import InputError


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """Yields a path beside `folder` at which to make its successor, for `replace_folder`.

    Nothing exists there at first, and it is removed at the end. What a killed process left there is
    removed by the next one. Therefore only one process at a time may make a draft.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.draft")
    rmtree(draft, ignore_errors=True)
    try:
        yield draft
    finally:
        rmtree(draft, ignore_errors=True)


def replace_folder(fresh: Path, folder: Path, keep: Sequence[str] = ()) -> None:
    """Replaces a folder by another, or puts it where there was none.

    A reader finds the old folder or the new one or, between two renames, none; never a part of one.
    The same holds if the process is killed, and the next call finishes its work.

    Args:
        fresh: the new folder, on the file system of `folder`; it is moved.
        folder: the folder to replace. Its old version is kept beside it, as "<name>.old", until all
            is done.
        keep: entries of the old folder that other programs put there. They move to the new folder,
            unless it has an entry of that name.

    Raises:
        InputError: `folder` is a link or a file, or "<name>.old" cannot be removed. Nothing was
            changed.
    """
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
