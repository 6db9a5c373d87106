"""What became of each rank, in files: Horovod's launcher tells only that one of them failed."""

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from devise_lib.errors import InputError

P = TypeVar("P")
R = TypeVar("R")

# What a rank says when another one is gone.
SECONDARY_ERRORS = (
    "Horovod has been shut down",
    "gloo",
    "Connection reset",
    "Connection closed",
    "HorovodI",
)


def record_outcome(function: Callable[[P], R], plan: P, folder: str) -> R:
    """Call `function(plan)` on a rank; leaves `<rank>.done` or `<rank>.error` in `folder`."""
    mine = Path(folder) / os.environ["HOROVOD_RANK"]
    try:
        result = function(plan)
    except BaseException as error:
        is_input = isinstance(error, InputError)
        told = str(error) if is_input else traceback.format_exception_only(error)[-1].strip()
        left = json.dumps({"told": told, "is_input": is_input})
        mine.with_suffix(".error").write_text(left, encoding="utf-8")
        raise
    mine.with_suffix(".done").touch()
    return result


def first_cause(folder: Path, ranks: int) -> InputError | RuntimeError:
    """Which rank failed of itself, and how; the others failed because it was gone.

    Args:
        folder: of `record_outcome`.
        ranks: how many there were.

    Returns:
        An InputError where that rank raised one, so what the user can mend.
    """
    paths = sorted(folder.glob("*.error"), key=lambda path: path.stat().st_mtime)
    errors = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    for rank, left in errors.items():
        if left["is_input"]:
            return InputError(f"rank {rank} failed: {left['told']}")
        if not any(echo in left["told"] for echo in SECONDARY_ERRORS):
            return RuntimeError(f"rank {rank} failed: {left['told']}")
    for number in range(ranks):
        if not any((folder / f"{number}.{end}").exists() for end in ("done", "error")):
            return RuntimeError(
                f"rank {number} died without a word: it was killed, perhaps for want of memory"
            )
    for rank, left in errors.items():
        return RuntimeError(f"rank {rank} failed: {left['told']}")
    return RuntimeError("a rank failed")
