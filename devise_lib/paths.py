"""Paths of files: local ones, URIs of stores, and glob patterns of either."""

import os
import re
from pathlib import Path

REMOTE = r"(?i)^(?!file:)[a-z][a-z0-9+.-]+:/"  # also for Java; a single letter is a drive
_GLOB = re.compile(r"[*?\[{]")


def is_remote(path: str) -> bool:
    """Returns whether a path is a URI of a remote file system, such as s3a://b/x or dbfs:/x."""
    return re.match(REMOTE, path) is not None


def local(path: str) -> Path:
    """Returns the local path of a path, a file: URI or a path below the user's home (~)."""
    return Path(os.path.expanduser(re.sub(r"^file:(//(?=/))?", "", path)))


def absolute(path: str) -> str:
    """Returns a local path or file: URI as an absolute path, and any other URI unchanged.

    Executors may have another current folder.
    """
    return path if is_remote(path) else str(local(path).absolute())


def printable(path: str) -> str:
    """Returns a path as tables store it: bytes that are no UTF-8 become \\udc and two digits.

    >>> printable(os.fsdecode(b"caf\\xe9.jpg"))
    'caf\\\\udce9.jpg'
    """
    return path.encode("utf-8", "backslashreplace").decode()


def from_printable(path: str) -> str:
    """Returns the path of the local file system from one by `printable`."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), path)


def last_part(path: str) -> str:
    """Returns the last part of a path; that of the current folder for "."; "" for the root.

    >>> last_part("/photos/2019.05.trip/"), last_part("s3a://bucket/photos"), last_part("/")
    ('2019.05.trip', 'photos', '')
    """
    if is_remote(path):
        return re.sub(r"^[^/]+:/+", "", path).rstrip("/").rpartition("/")[2]
    return os.path.basename(os.path.abspath(local(path)))


def escape_glob(path: str) -> str:
    """Escapes a path, so that Spark takes it for this file or folder and not for a pattern."""
    return re.sub(r"[][{}*?\\]", r"\\\g<0>", path)


def split_glob(path: str) -> tuple[str, str]:
    """Splits a pattern into the folder above it and the pattern below; (path, "") without a
    pattern.

    >>> split_glob("/photos/2024-*/{a,b}/*.jpg")
    ('/photos', '2024-*/{a,b}/*.jpg')
    """
    found = _GLOB.search(path)
    if found is None:
        return path, ""
    head, slash, _ = path[: found.start()].rpartition("/")
    return head or slash or ".", path[len(head) + len(slash) :]


def glob_expression(pattern: str) -> str:
    """Converts a shell pattern to a regular expression that must match the whole path.

    `*`, `?` and `[...]` (`[!...]`: none of these) do not match a slash, `**` does. `{a,b}` matches
    one of several. A bracket or brace that is not closed matches itself.

    Raises:
        ValueError: a range of characters is reversed, as in [z-a].
    """
    parts: list[str] = []
    at, open_braces = 0, 0
    while at < len(pattern):
        sign, length = pattern[at], 1
        bracket = re.compile(r"\[([!^]?)(\]?[^\]]*)\]").match(pattern, at) if sign == "[" else None
        if sign == "*":
            between = at == 0 or pattern[at - 1] == "/"
            if between and pattern.startswith("**/", at):
                part, length = "(?:.*/)?", 3
            elif pattern.startswith("**", at):
                part, length = ".*", 2
            else:
                part = "[^/]*"
        elif sign == "?":
            part = "[^/]"
        elif bracket:
            signs = re.sub(r"[\\\[^&~|]", r"\\\g<0>", bracket[2])
            part, length = f"(?!/)[{'^' if bracket[1] else ''}{signs}]", len(bracket[0])
        elif sign == "{" and "}" in pattern[at:]:
            part, open_braces = "(?:", open_braces + 1
        elif sign == "}" and open_braces:
            part, open_braces = ")", open_braces - 1
        else:
            part = "|" if sign == "," and open_braces else re.escape(sign)
        parts.append(part)
        at += length
    expression = "".join(parts) + ")" * open_braces
    try:
        re.compile(expression)
    except (re.error, RecursionError) as error:
        raise ValueError(f"the pattern {pattern!r} cannot be used: {error}") from None
    return expression
