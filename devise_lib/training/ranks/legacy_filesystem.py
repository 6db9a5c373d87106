"""Files of a store in the form that Petastorm hands to pyarrow."""

from typing import Any

from pyarrow.filesystem import FileSystem


class StoreFileSystem(FileSystem):
    """Opens the files of a store for pyarrow's older reader of Parquet, the only one of Petastorm.

    Petastorm passes arguments that pyarrow refuses with a file system of fsspec. It gets the paths
    of files, so that nothing is listed.

    Args:
        store: a file system of fsspec.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def open(self, path: str, mode: str = "rb") -> Any:
        """Opens a file of the store."""
        return self._store.open(path, mode)

    def isfile(self, path: str) -> bool:  # noqa: ARG002 - of pyarrow's interface
        """Returns that every path is a file."""
        return True

    def isdir(self, path: str) -> bool:  # noqa: ARG002
        """Returns that no path is a folder."""
        return False
