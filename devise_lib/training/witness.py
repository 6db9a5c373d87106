"""What became of each rank, in files: Horovod's launcher tells only that one of them failed."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

P = TypeVar("P")
R = TypeVar("R")

# What a rank says when another one is gone.
ECHOES = ("Horovod has been shut down", "gloo", "Connection reset", "Connection closed", "HorovodI")


def witnessed(function: Callable[[P], R], plan: P, folder: str) -> R:
    """Call `function(plan)` on a rank; leaves `<rank>.done` or `<rank>.error` in `folder`."""
    mine = Path(folder) / os.environ["HOROVOD_RANK"]
    try:
        result = function(plan)
    except BaseException as error:
        told = traceback.format_exception_only(error)[-1].strip()
        mine.with_suffix(".error").write_text(told, encoding="utf-8")
        raise
    mine.with_suffix(".done").touch()
    return result


def first_cause(folder: Path, ranks: int) -> str:
    """Which rank failed of itself, and how; the others failed because it was gone.

    Args:
        folder: of `witnessed`.
        ranks: how many there were.
    """
    errors = {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*.error"), key=lambda path: path.stat().st_mtime)
    }
    for rank, told in errors.items():
        if not any(echo in told for echo in ECHOES):
            return f"rank {rank} failed: {told}"
    for number in range(ranks):
        if not any((folder / f"{number}.{end}").exists() for end in ("done", "error")):
            return f"rank {number} died without a word: it was killed, perhaps for want of memory"
    return next((f"rank {rank} failed: {told}" for rank, told in errors.items()), "a rank failed")
