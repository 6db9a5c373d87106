"""The outcome of each rank, in files, because Horovod's launcher reports only that one failed."""

import json
import os
import traceback
from collections.abc import Callable
from typing import TypeVar

from devise_lib.errors import InputError
from devise_lib.storage.stores import StoreAccess, store_files

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


def record_outcome(function: Callable[[P], R], plan: P, folder: str, access: StoreAccess) -> R:
    """Calls `function(plan)` on a rank, and leaves `<rank>.done` or `<rank>.error` in `folder`.

    Args:
        function: what the rank does.
        plan: its argument.
        folder: on a disk or a store that the driver and all ranks see.
        access: opens stores on the rank.
    """
    files = access.open()
    mine = f"{folder}/{os.environ['HOROVOD_RANK']}"
    try:
        result = function(plan)
    except BaseException as error:
        is_input = isinstance(error, InputError)
        lines = traceback.format_exception_only(error)
        message = str(error) if is_input else lines[-1].strip()
        outcome = json.dumps({"message": message, "is_input": is_input})
        files.write(f"{mine}.error", outcome.encode())
        raise
    files.write(f"{mine}.done", b"")
    return result


def first_cause(folder: str, ranks: int) -> InputError | RuntimeError:
    """Returns the error of the rank that failed first, on which the failures of the others depend.

    Args:
        folder: of `record_outcome`.
        ranks: the number of ranks.

    Returns:
        An InputError if that rank raised one, else a RuntimeError.
    """
    files = store_files()
    found = sorted(files.below(folder), key=lambda status: status.modified_s)
    left = {status.name: files.read(status.path) or b"{}" for status in found}
    errors = {
        name.removesuffix(".error"): json.loads(content)
        for name, content in left.items()
        if name.endswith(".error")
    }
    for rank, error in errors.items():
        if error["is_input"]:
            return InputError(f"rank {rank} failed: {error['message']}")
        if not any(mark in error["message"] for mark in SECONDARY_ERRORS):
            return RuntimeError(f"rank {rank} failed: {error['message']}")
    for number in range(ranks):
        if not {f"{number}.done", f"{number}.error"} & set(left):
            return RuntimeError(
                f"rank {number} died without an error: it was killed, perhaps for lack of memory"
            )
    for rank, error in errors.items():
        return RuntimeError(f"rank {rank} failed: {error['message']}")
    return RuntimeError("a rank failed")
