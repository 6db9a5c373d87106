"""Reads text files that a person may have written, line by line."""

import unicodedata
from collections.abc import Iterator

from devise_lib.errors import InputError


def numbered_lines(path: str, what: str) -> Iterator[tuple[int, str]]:
    """Yields the lines of a UTF-8 file that are not blank, in NFC, with their numbers from 1.

    NFC makes equal texts equal byte by byte: é may be one character or two.

    Args:
        path: of the file.
        what: what the file should be, for errors.

    Raises:
        InputError: the file cannot be read, or is not in UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, unicodedata.normalize("NFC", line.rstrip("\r\n"))
    except OSError as error:
        raise InputError(f"cannot read {path}, want {what}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: want {what} in UTF-8 ({error})") from None
