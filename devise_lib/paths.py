"""Paths of files: local ones, and URIs of what Spark's Hadoop opens."""

import re
from pathlib import Path

_STORE = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # a letter alone is a drive


def is_remote(path: str) -> bool:
    """Whether a path is a URI of another file system than the local one, as s3a://b/x, dbfs:/x."""
    return _STORE.match(path) is not None


def local(path: str) -> Path:
    """A local path, also of a file: URI."""
    return Path(re.sub(r"^file:(//(?=/))?", "", path))


def absolute(path: str) -> str:
    """A URI as it is; a local path, or file: URI, as an absolute path.

    Executors may have another current folder.
    """
    return path if is_remote(path) else str(local(path).absolute())
