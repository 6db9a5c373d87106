"""A folder of results that is replaced as a whole: readers find the old one or the new one."""

import os
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from devise_lib.errors import InputError


def replace_folder(fresh: Path, folder: Path, keep: Sequence[str] = ()) -> None:
    """Put a folder in the place of another, or where there was none.

    A process that is killed on the way leaves the old folder, the new one, or, between two renames,
    none; never a part of one. The next call takes up what it left.

    Args:
        fresh: the new folder, on the file system of `folder`; it is moved.
        folder: its place. What it was before is kept beside it, as "<name>.old", until all is done.
        keep: entries of the old folder that others have put there: they move to the new one, where
            that has none of that name.

    Raises:
        InputError: what lies at "<name>.old" cannot be removed. Nothing was changed.
    """
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
