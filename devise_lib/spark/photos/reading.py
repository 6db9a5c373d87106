"""Reads the bytes of one photo from its path, on a worker, or gives the reason why it cannot."""

from collections.abc import Callable

from devise_lib.errors import InputError
from devise_lib.paths import absolute, from_printable, is_remote
from devise_lib.photo_limits import MAX_FILE_BYTES
from devise_lib.reasons import Reason
from devise_lib.storage.faults import StoreError
from devise_lib.storage.files import LOCAL_FILES, Files, FileStatus
from devise_lib.storage.stores import StoreAccess
from devise_lib.vision.images.decode import Refusal

READ_ERRORS = (OSError, InputError)


def make_reader(access: StoreAccess) -> Callable[[str], bytes | Refusal]:
    """Return what reads a photo on a worker."""

    def read(path: str) -> bytes | Refusal:
        return read_photo(access.open() if is_remote(path) else LOCAL_FILES, path)

    return read


def look_at(files: Files, path: str) -> FileStatus | None:
    """Return the status of the file at a path; None if there is none or it cannot be asked for.

    Reading the file then tells what is wrong.

    Raises:
        StoreError: the store serves no file now.
    """
    try:
        return _status(files, path)
    except READ_ERRORS as error:
        if isinstance(error, StoreError) and error.kind == "outage":
            raise
        return None


def read_photo(files: Files, path: str) -> bytes | Refusal:
    """Return the file's bytes, or why it is refused: a file that cannot be read costs a row.

    Raises:
        StoreError: the store serves no file now, which is no fault of the file.
    """
    try:
        status = _status(files, path)
        if status is None:
            return Refusal(Reason.MISSING_FILE, f"there is no {path}")
        if status.size > MAX_FILE_BYTES:
            return Refusal(
                Reason.TOO_LARGE, f"{status.size} bytes, at most {MAX_FILE_BYTES} are read"
            )
        with files.open_range(status.path, 0, status.size) as opened:
            return _read_all(opened.read, status.size)
    except FileNotFoundError:
        return Refusal(Reason.MISSING_FILE, f"there is no {path}")
    except StoreError as error:
        if error.kind == "outage":
            raise
        reasons = {"denied": Reason.PERMISSION, "gone": Reason.MISSING_FILE}
        return Refusal(reasons.get(error.kind, Reason.READ_ERROR), str(error))
    except PermissionError as error:
        return Refusal(Reason.PERMISSION, f"{path}: {error}")
    except READ_ERRORS as error:
        return Refusal(Reason.READ_ERROR, f"{path}: {error}")


def _status(files: Files, path: str) -> FileStatus | None:
    found = files.status(absolute(path))
    named = from_printable(path)
    return found or (files.status(absolute(named)) if named != path else None)


def _read_all(read: Callable[[int], bytes | None], size: int) -> bytes:
    """Up to `size` bytes, from reads that may give fewer than they are asked for."""
    parts, left = [], size
    while left and (part := read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
