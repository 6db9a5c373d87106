"""The outcome of each rank, in files, because Horovod's launcher reports only that one failed."""

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from devise_lib.errors import InputError

P = TypeVar("P")
R = TypeVar("R")

# The errors of a rank that lost another one.
SECONDARY_ERRORS = (
    "Horovod has been shut down",
    "gloo",
    "Connection reset",
    "Connection closed",
    "HorovodI",
)


def record_outcome(function: Callable[[P], R], plan: P, folder: str) -> R:
    """Calls `function(plan)` on a rank, and leaves `<rank>.done` or `<rank>.error` in `folder`."""
    mine = Path(folder) / os.environ["HOROVOD_RANK"]
    try:
        result = function(plan)
    except BaseException as error:
        is_input = isinstance(error, InputError)
        lines = traceback.format_exception_only(error)
        message = str(error) if is_input else lines[-1].strip()
        outcome = json.dumps({"message": message, "is_input": is_input})
        mine.with_suffix(".error").write_text(outcome, encoding="utf-8")
        raise
    mine.with_suffix(".done").touch()
    return result


def first_cause(folder: Path, ranks: int) -> InputError | RuntimeError:
    """Returns the error of the rank that failed first, on which the failures of the others depend.

    Args:
        folder: of `record_outcome`.
        ranks: the number of ranks.

    Returns:
        An InputError if that rank raised one, else a RuntimeError.
    """
    paths = sorted(folder.glob("*.error"), key=lambda path: path.stat().st_mtime)
    errors = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    for rank, error in errors.items():
        if error["is_input"]:
            return InputError(f"rank {rank} failed: {error['message']}")
        if not any(mark in error["message"] for mark in SECONDARY_ERRORS):
            return RuntimeError(f"rank {rank} failed: {error['message']}")
    for number in range(ranks):
        if not any((folder / f"{number}.{end}").exists() for end in ("done", "error")):
            return RuntimeError(
                f"rank {number} died without an error: it was killed, perhaps for lack of memory"
            )
    for rank, error in errors.items():
        return RuntimeError(f"rank {rank} failed: {error['message']}")
    return RuntimeError("a rank failed")
