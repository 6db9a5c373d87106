"""Files of object stores and of HDFS, through fsspec."""

import io
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenacity import retry, retry_if_exception, stop_after_attempt

from devise_lib.storage import s3
from devise_lib.storage.faults import (
    NoConditionError,
    StoreError,
    breaks_off,
    describe,
    fault_of,
    store_errors,
)
from devise_lib.storage.files import FileStatus
from devise_lib.storage.opening import modified_s, open_store
from devise_lib.storage.ranges import ReadAhead
from devise_lib.storage.settings import ATTEMPTS, PROTOCOLS, Settings

PIECE_BYTES = 16 << 20  # of a range, per request; a stream holds two pieces
NO_REASON = ("400", "403", "301")  # codes of answers without a body, as those to HEAD
# How a store is told to write a file only if there is none. HDFS cannot be told so.
ONLY_NEW: dict[str, dict[str, Any]] = {
    "s3": {"mode": "create"},
    "gs": {"mode": "create"},
    "abfs": {"overwrite": False},
}


# Asks again where an answer breaks off, because botocore does not.
_until_whole = retry(
    retry=retry_if_exception(breaks_off), stop=stop_after_attempt(ATTEMPTS), reraise=True
)


class RemoteFiles:
    """The files of one store: of one bucket, container or name node.

    A process needs one object per store, because each has connections of its own. Nothing is
    cached, so that a long run sees the store as it is and does not grow.

    Args:
        scheme: of the store's URIs, one of `settings.PROTOCOLS`.
        authority: the part of its URIs behind `//`, such as a bucket.
        settings: Hadoop's settings by name.
        piece_bytes: how much of a range is fetched at once.

    Raises:
        InputError: the package that speaks to such a store is not installed.
    """

    def __init__(
        self, scheme: str, authority: str, settings: Settings, piece_bytes: int = PIECE_BYTES
    ) -> None:
        self._root = f"{scheme}://{authority}"
        self._protocol, self._piece_bytes = PROTOCOLS[scheme.lower()], piece_bytes
        # How fsspec's paths begin: with a bucket, or with a slash on HDFS.
        self._top = "/" if self._protocol == "hdfs" else authority.partition("@")[0]
        self._is_s3 = self._protocol == "s3"
        self._fs = open_store(scheme, authority, settings)

    @property
    def filesystem(self) -> Any:
        """The file system of fsspec, for libraries that take one."""
        return self._fs

    def status(self, path: str) -> FileStatus | None:
        """Returns the status of a file, or of a folder that has files; None if there is neither.

        Raises:
            StoreError: the store refuses or does not answer, or there is no such bucket.
        """
        try:
            with self._errors(path):
                return self._status(self._fs.info(self._key(path)))
        except FileNotFoundError:
            self._require_bucket(path)
            return None

    def children(self, folder: str) -> list[FileStatus]:
        """Returns the status of everything directly in a folder, sorted by name.

        Raises:
            FileNotFoundError: there is no such folder.
            StoreError: the store refuses or does not answer.
        """
        return sorted(self._list(folder), key=lambda status: status.name)

    def entries(self, folder: str) -> Iterator[FileStatus]:
        """Yields what is directly in a folder, page by page, without names that begin with a dot.

        Raises:
            FileNotFoundError: there is no such folder.
            StoreError: the store refuses or does not answer.
        """
        return (status for status in self._list(folder) if not status.name.startswith("."))

    def below(self, folder: str) -> Iterator[FileStatus]:
        """Yields every file in a folder and below it; nothing if there is no such folder.

        S3 lists them page by page, whatever the folders.
        """
        if self._is_s3:
            for info in self._pages(folder, delimiter=""):
                if not info["name"].endswith("/"):
                    yield self._status(info)
            return
        try:
            for status in self._list(folder):
                yield from self.below(status.path) if status.is_folder else iter([status])
        except FileNotFoundError:
            return

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:
        """Returns a stream of the bytes from `start` up to `stop`; it fetches one piece ahead.

        Raises:
            StoreError: while reading: the file is gone, or the store does not answer.
        """

        def fetch(first: int, last: int) -> bytes:
            return self._fetch(path, first, last)

        return ReadAhead(fetch, start, stop, self._piece_bytes)

    def read(self, path: str) -> bytes | None:
        """Returns the content of a file; None if it does not exist."""
        in_one_request = {"max_concurrency": 1} if self._is_s3 else {}
        try:
            with self._errors(path):
                return self._content(path, **in_one_request)
        except FileNotFoundError:
            return None  # A missing bucket has a code of its own here.

    def write(self, path: str, content: bytes) -> None:
        """Writes a file so that readers find the old content or the new one."""
        with self._errors(path):
            self._fs.pipe_file(self._key(path), content)

    def create(self, path: str, content: bytes) -> bool:
        """Writes a file unless it exists; returns whether it did. Of several callers one wins.

        Raises:
            NoConditionError: the store knows no such condition.
            StoreError: the store refuses or does not answer.
        """
        if self._protocol not in ONLY_NEW:
            raise NoConditionError(
                f"{path}: {self._protocol} overwrites what should only be created"
            )
        for _ in range(ATTEMPTS):
            try:
                with self._errors(path):
                    self._fs.pipe_file(self._key(path), content, **ONLY_NEW[self._protocol])
                return True
            except FileExistsError:
                return False
            except StoreError as error:
                name = fault_of(error)
                if name in s3.CONDITION_FAILED:
                    return False
                if name in s3.NO_CONDITION:
                    raise NoConditionError(f"{path}: the store knows no conditions") from error
                if name not in s3.CONFLICT:
                    raise
        return False  # because others create it again and again

    def remove(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it; does nothing if neither exists."""
        key = self._key(path)
        with self._errors(path):
            try:
                is_folder = self._fs.info(key)["type"] == "directory"
            except FileNotFoundError:
                self._require_bucket(path)
                return
            names = self._fs.find(key) if is_folder else [key]
            if not self._is_s3:
                for name in names:
                    self._fs.rm_file(name)
                return
            for key, code in s3.delete_keys(self._fs, self._top, names):
                raise describe(f"{self._root}/{key}", code)

    def upload(self, source: Path, path: str) -> None:
        """Copies a local file to the store, in parts if it is large; the whole appears at once."""
        with self._errors(path):
            self._fs.put_file(str(source), self._key(path))

    def download(self, path: str, target: Path) -> None:
        """Copies a file of the store to a local path.

        Raises:
            FileNotFoundError: the file does not exist.
            StoreError: the store refuses or does not answer.
        """
        with self._errors(path):
            self._save(path, target)

    def copy(self, source: str, path: str) -> None:
        """Copies a file within the store, so that its bytes do not pass through this process."""
        with self._errors(source):
            self._fs.cp_file(self._key(source), self._key(path))

    def _fetch(self, path: str, first: int, last: int) -> bytes:
        try:
            with self._errors(path):
                return self._content(path, start=first, end=last)
        except FileNotFoundError:
            raise StoreError(f"{path} is gone: it was there when it was listed", "gone") from None
        except StoreError as error:
            if fault_of(error) in ("InvalidRange", "416"):  # It begins behind the end of the file.
                return b""
            raise

    @_until_whole
    def _content(self, path: str, **options: Any) -> bytes:
        return bytes(self._fs.cat_file(self._key(path), **options))

    @_until_whole
    def _save(self, path: str, target: Path) -> None:
        self._fs.get_file(self._key(path), str(target))

    def _list(self, folder: str) -> Iterator[FileStatus]:
        key, is_there = self._key(folder), False
        for info in self._pages(folder) if self._is_s3 else self._listing(folder):
            is_there = True
            if info["name"].rstrip("/") != key:  # Some tools write an empty file for a folder.
                yield self._status(info)
        if not is_there and key != self._top:
            raise FileNotFoundError(folder)

    def _listing(self, folder: str) -> Iterator[dict[str, Any]]:
        with self._errors(folder):
            found = self._fs.ls(self._key(folder), detail=True)
        yield from found

    def _pages(self, folder: str, delimiter: str = "/") -> Iterator[dict[str, Any]]:
        below = self._key(folder).partition("/")[2]
        pages = s3.list_pages(self._fs, self._top, f"{below}/" if below else "", delimiter)
        while True:
            with self._errors(folder):
                page = next(pages, None)
            if page is None:
                return
            yield from page

    def _require_bucket(self, path: str) -> None:
        """Raises StoreError if the bucket is missing: S3 answers HEAD as for a missing file.

        The list is of the path alone, because a role may have no right to another.
        """
        if self._is_s3:
            below = self._key(path).partition("/")[2]
            with store_errors(path):
                self._fs.call_s3("list_objects_v2", Bucket=self._top, Prefix=below, MaxKeys=1)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            with store_errors(path):
                yield
        except StoreError as error:
            if fault_of(error) in NO_REASON:
                self._require_bucket(path)  # Its answer has a body, so its error says more.
            raise

    def _key(self, path: str) -> str:
        """Returns a path as fsspec wants it: BUCKET/KEY, or the path on the name node."""
        below = path.removeprefix(self._root).strip("/")
        return posixpath.join(self._top, below) if below else self._top

    def _status(self, info: dict[str, Any]) -> FileStatus:
        is_folder = info.get("type") == "directory"
        name = info["name"].rstrip("/")
        below = name.removeprefix(self._top).strip("/")
        return FileStatus(
            f"{self._root}/{below}".rstrip("/"),
            posixpath.basename(name),
            0 if is_folder else int(info.get("size") or 0),
            is_folder,
            modified_s(info),
            str(info.get("ETag") or info.get("etag") or "").strip('"'),
        )
