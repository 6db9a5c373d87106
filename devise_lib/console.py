"""Lines for people: a terminal may overwrite the last one, a log gets each on its own."""

import sys

ERASE_REST = "\x1b[K"


def print_line(text: str, end: str = "\n", over: bool = False) -> None:
    """Prints a line.

    Args:
        text: the line.
        end: written after the line on a terminal; "" leaves the line open.
        over: overwrite the open line on a terminal.
    """
    terminal = sys.stdout.isatty()
    line = f"\r{text}{ERASE_REST}" if over and terminal else text
    print(line, end=end if terminal else "\n", flush=True)  # noqa: T201


def clock(seconds: float) -> str:
    """Returns a duration in its two largest units, such as "2 h 5 min" or "3 min 20 s"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
