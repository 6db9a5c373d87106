"""Reads text files that a person may have written, line by line."""

import unicodedata
from collections.abc import Iterator

from devise_lib.errors import InputError
from devise_lib.storage.copies import fetched


def numbered_lines(path: str, what: str) -> Iterator[tuple[int, str]]:
    """Yields the lines of a UTF-8 file that are not blank, in NFC, with their numbers from 1.

    NFC makes equal texts equal byte by byte: é may be one character or two.

    Args:
        path: of the file, on a disk or a store.
        what: what the file should be, for errors.

    Raises:
        InputError: the file cannot be read, or is not in UTF-8.
    """
    try:
        with fetched(path) as local, local.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, unicodedata.normalize("NFC", line.rstrip("\r\n"))
    except OSError as error:
        why = error.strerror or "there is no such file"
        raise InputError(f"cannot read {path}, want {what}: {why}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: want {what} in UTF-8 ({error})") from None
