"""Folders of results that are replaced as a whole: a reader never finds a part of one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from devise_lib.errors import InputError


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """A place beside `folder` to make its successor at, for `replace_folder`.

    Nothing is there at first, and nothing is left at the end. What a process that was killed has
    left there is removed by the next one. So one process alone may make a draft at a time.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.draft")
    rmtree(draft, ignore_errors=True)
    try:
        yield draft
    finally:
        rmtree(draft, ignore_errors=True)


def replace_folder(fresh: Path, folder: Path, keep: Sequence[str] = ()) -> None:
    """Put a folder in the place of another, or where there was none.

    A reader finds the old folder or the new one, or, between two renames, none; never a part of
    one. A process that is killed on the way leaves the same, and the next call takes it up.

    Args:
        fresh: the new folder, on the file system of `folder`; it is moved.
        folder: its place. What it was before is kept beside it, as "<name>.old", until all is done.
        keep: entries of the old folder that others have put there: they move to the new one, where
            that has none of that name.

    Raises:
        InputError: `folder` is a link or a file, or what lies at "<name>.old" cannot be removed.
            Nothing was changed.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(
            f"{folder} is a link or a file, and a folder is to be written there: move it away"
        )
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not folder.exists():  # a call was killed between the two renames
        old.rename(folder)
    _clear(old, folder, keep)  # one was killed behind them
    if os.path.lexists(old):
        raise InputError(f"{old} is in the way of a new {folder.name} and cannot be removed: do so")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    _clear(old, folder, keep)


def _clear(old: Path, folder: Path, keep: Sequence[str]) -> None:
    for name in keep:
        if (old / name).exists() and not (folder / name).exists():
            (old / name).rename(folder / name)
    rmtree(old, ignore_errors=True)
