"""Reads the file of a hierarchy of labels."""

from collections.abc import Iterator

from devise_lib.errors import InputError
from devise_lib.text.lines import numbered_lines


def read_edges(path: str) -> Iterator[tuple[str, str]]:
    """Yields is-a edges as pairs of parent and child, from lines of the two, separated by a space.

    Raises:
        InputError: the file is missing, or a line is not of this form.
    """
    for number, line in numbered_lines(path, "is-a edges, a parent and a child per line"):
        names = line.split()
        if len(names) != 2:
            raise InputError(
                f"{path}, line {number}: want a parent and a child, separated by a space, got "
                f"{line[:80]!r}"
            )
        yield names[0], names[1]
