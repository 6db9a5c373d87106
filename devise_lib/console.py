"""Lines for a person: on a terminal one may be written over the last, in a log each is its own."""

import sys

ERASE_REST = "\x1b[K"


def print_line(text: str, end: str = "\n", over: bool = False) -> None:
    """Print a line; on a terminal it may be left open, and the next one be written `over` it."""
    terminal = sys.stdout.isatty()
    line = f"\r{text}{ERASE_REST}" if over and terminal else text
    print(line, end=end if terminal else "\n", flush=True)  # noqa: T201
