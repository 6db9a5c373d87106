"""Opens files of any kind in one process, and takes the stores' settings along to others."""

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path

from devise_lib.errors import InputError
from devise_lib.paths import is_remote
from devise_lib.storage.files import LOCAL_FILES, Files, FileStatus
from devise_lib.storage.remote import RemoteFiles
from devise_lib.storage.settings import PROTOCOLS, Settings, is_store

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<authority>[^/]*)")
_OPENING = threading.Lock()
LOG = logging.getLogger(__name__)


class StoreFiles:
    """Files of the local disk and of every store, each opened once.

    Args:
        settings: Hadoop's settings of stores by name.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = dict(settings)
        self._stores: dict[str, RemoteFiles] = {}

    def status(self, path: str) -> FileStatus | None:
        return self._of(path).status(path)

    def children(self, folder: str) -> list[FileStatus]:
        return self._of(folder).children(folder)

    def entries(self, folder: str) -> Iterator[FileStatus]:
        return self._of(folder).entries(folder)

    def below(self, folder: str) -> Iterator[FileStatus]:
        return self._of(folder).below(folder)

    def open_range(self, path: str, start: int, stop: int) -> RawIOBase:
        return self._of(path).open_range(path, start, stop)

    def read(self, path: str) -> bytes | None:
        return self._of(path).read(path)

    def write(self, path: str, content: bytes) -> None:
        self._of(path).write(path, content)

    def remove(self, path: str) -> None:
        self._of(path).remove(path)

    def upload(self, source: Path, path: str) -> None:
        self._of(path).upload(source, path)

    def download(self, path: str, target: Path) -> None:
        self._of(path).download(path, target)

    def remote(self, path: str) -> RemoteFiles:
        """Returns the store that has a URI.

        Raises:
            InputError: no package speaks to such a store, or it is not installed.
        """
        found = _URI.match(path)
        if found is None or not is_store(path):
            raise InputError(
                f"{path}: there is no such store, want a path or a URI that begins with "
                + ", ".join(f"{name}://" for name in PROTOCOLS)
                + "; give what Databricks mounts as a path, such as /dbfs/... or /Volumes/..."
            )
        name = f"{found['scheme']}://{found['authority']}"
        with _OPENING:  # Of several threads one opens the store.
            if name not in self._stores:
                self._stores[name] = RemoteFiles(found["scheme"], found["authority"], self.settings)
            return self._stores[name]

    def _of(self, path: str) -> Files:
        return self.remote(path) if is_remote(path) else LOCAL_FILES


_process: tuple[int, StoreFiles] = (os.getpid(), StoreFiles({}))


def set_store_settings(settings: Settings) -> None:
    """Sets Hadoop's settings of stores for this process. If they changed, stores open again."""
    global _process
    if settings != store_files().settings:
        _process = os.getpid(), StoreFiles(settings)


def store_files() -> StoreFiles:
    """Returns the files of this process: disks and stores, with the process's settings.

    A forked process opens stores again, because connections survive no fork.
    """
    global _process
    owner, files = _process
    if owner != os.getpid():
        _process = os.getpid(), StoreFiles(files.settings)
    return _process[1]


def clean_up(path: str) -> None:
    """Removes a file or folder that a later run would remove; an error is logged.

    It must not hide the error because of which the caller ends.
    """
    try:
        store_files().remove(path)
    except (InputError, OSError) as error:
        LOG.warning("%s was not removed: %s", path, error)


@dataclass(frozen=True)
class StoreAccess:
    """What another process needs to open the same files. It is sent to tasks and ranks.

    Attributes:
        settings: Hadoop's settings of stores; they may hold keys, so they are not shown.
    """

    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def open(self) -> StoreFiles:
        """Sets the settings of this process, and returns what opens its files."""
        set_store_settings(self.settings)
        return store_files()


def this_access() -> StoreAccess:
    """Returns the access of this process, for tasks."""
    return StoreAccess(store_files().settings)
