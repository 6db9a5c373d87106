"""Text files that a person may have written, line by line."""

from collections.abc import Iterator

from devise_lib.errors import InputError


def numbered_lines(path: str, what: str) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file that are not blank, with their numbers from 1.

    Args:
        path: the file.
        what: it is to be; for the error.

    Raises:
        InputError: it cannot be read, or is not in UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"cannot read {path}, want {what}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: want {what} in UTF-8 ({error})") from None
