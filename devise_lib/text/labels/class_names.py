"""Lists of class names in the formats of data sets: one name per line, in some with a number
before.
"""

import re
import unicodedata
from collections.abc import Iterable

from devise_lib.errors import InputError
from devise_lib.text.lines import numbered_lines

_NUMBERED = re.compile(r"\s*(\d+)\s+(\S.*)")


def read_class_names(path: str) -> list[str]:
    """Reads the class names of a file, in its order, as `parse_class_names` does.

    Raises:
        InputError: the file cannot be read, or is not of this form.
    """
    return parse_class_names(numbered_lines(path, "class names, one per line"), path)


def parse_class_names(lines: Iterable[tuple[int, str]], path: str) -> list[str]:
    """Parses class names, and returns them in NFC and in their order.

    CIFAR's batches.meta.txt and fine_label_names.txt have names only. AWA2's classes.txt has a
    number before each name, from 1 on. If the first line has a number, all must have one, without a
    gap.

    Args:
        lines: (line number, line), none of them blank.
        path: of the file, for errors.

    Raises:
        InputError: there is no name, a name comes twice, or the numbers have a gap.
    """
    names: list[str] = []
    first: int | None = None
    for line_number, line in lines:
        match = _NUMBERED.fullmatch(line)
        if not names and match:
            first = int(match.group(1))
        if first is not None and (not match or int(match.group(1)) != first + len(names)):
            raise InputError(
                f"{path}, line {line_number}: want the number {first + len(names)} and a class "
                f"name, as the first line has {first}; got {line!r}"
            )
        name = match.group(2).strip() if first is not None and match else line.strip()
        name = unicodedata.normalize("NFC", name)
        if name in names:
            raise InputError(f"{path}, line {line_number}: the class {name!r} comes twice")
        names.append(name)
    if not names:
        raise InputError(f"{path}: no class name in it, want one per line")
    return names
