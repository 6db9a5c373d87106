"""Paths of files: local ones, URIs of what Spark's Hadoop opens, and patterns of either."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

REMOTE = r"(?i)^(?!file:)[a-z][a-z0-9+.-]+:/"  # for Java, too; a letter alone is a drive
_GLOB = re.compile(r"[*?\[{]")


def is_remote(path: str) -> bool:
    """Whether a path is a URI of another file system than the local one, as s3a://b/x, dbfs:/x."""
    return re.match(REMOTE, path) is not None


def local(path: str) -> Path:
    """A local path, also of a file: URI or below the user's home (~)."""
    return Path(os.path.expanduser(re.sub(r"^file:(//(?=/))?", "", path)))


def absolute(path: str) -> str:
    """A URI as it is; a local path, or file: URI, as an absolute path.

    Executors may have another current folder.
    """
    return path if is_remote(path) else str(local(path).absolute())


def printable(path: str) -> str:
    """A path as the tables can have it: bytes of a name that are not UTF-8 as \\udc and two digits.

    >>> printable(os.fsdecode(b"caf\\xe9.jpg"))
    'caf\\\\udce9.jpg'
    """
    return path.encode("utf-8", "backslashreplace").decode()


def as_named(path: str) -> str:
    """The path as the local file system has it, of one as `printable` gives it."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), path)


def last_part(path: str) -> str:
    """The name of what lies at a path, also of the current folder; "" for the root.

    >>> last_part("/photos/2019.05.trip/"), last_part("s3a://bucket/photos"), last_part("/")
    ('2019.05.trip', 'photos', '')
    """
    if is_remote(path):
        return re.sub(r"^[^/]+:/+", "", path).rstrip("/").rpartition("/")[2]
    return os.path.basename(os.path.abspath(local(path)))


def without_glob(path: str) -> str:
    """A path that Spark takes for this file or folder alone, though it looks like a pattern."""
    return re.sub(r"[][{}*?\\]", r"\\\g<0>", path)


def split_glob(path: str) -> tuple[str, str]:
    """The folder that a pattern begins at, and the pattern below it; (path, "") without one.

    >>> split_glob("/photos/2024-*/{a,b}/*.jpg")
    ('/photos', '2024-*/{a,b}/*.jpg')
    """
    found = _GLOB.search(path)
    if found is None:
        return path, ""
    head, slash, _ = path[: found.start()].rpartition("/")
    return head or slash or ".", path[len(head) + len(slash) :]


def glob_expression(pattern: str) -> str:
    """A regular expression for the paths that a pattern of shells stands for, to be matched whole.

    `*` and `?` and `[...]` (`[!...]`: none of these) do not cross a slash, `**` does; `{a,b}` is
    one of several. A bracket or brace that nothing closes stands for itself.

    Raises:
        ValueError: a range of characters is the wrong way round, as in [z-a].
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


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file as a whole: readers find the old file or the new one, never a part.

    Args:
        path: the file; its folder is there.
        write: writes the file that it is given, which then takes the place of `path`. Two processes
            may do so at once: the last one's file stays.
    """
    draft = path.with_name(f".{path.name}-{uuid4().hex}")  # machines may share process numbers
    try:
        write(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str) -> None:
    """Write a text file as a whole, in UTF-8."""
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))
