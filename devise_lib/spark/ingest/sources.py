"""Where a source of photos lies, which paths belong to it, and what a path says about a photo."""

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devise_lib.config.photos import PhotoSource
from devise_lib.errors import InputError
from devise_lib.paths import glob_expression, is_remote, local, split_glob
from devise_lib.spark.ingest.rows import make_photo_id, relative_path
from devise_lib.storage.files import FileStatus
from devise_lib.storage.stores import StoreAccess, store_files, this_access
from devise_lib.text.labels.photo_labels import read_photo_labels
from devise_lib.vision.archives.tar_photos import MEMBER

Description = tuple[str, str | None, str | None, str]  # photo_id, label, owner, fault


@dataclass(frozen=True)
class Place:
    """A source that has been found. It is sent to executors.

    Attributes:
        source: its configuration.
        root: how the paths of its photos begin in PHOTOS: file:/photos, s3a://b/x; "" for a table.
        start: what lies there: a folder or a single file; None for a table.
        glob: a regular expression that paths below the root must match as a whole; "" for all.
        access: opens its files in tasks.
    """

    source: PhotoSource
    root: str = ""
    start: FileStatus | None = None
    glob: str = ""
    access: StoreAccess = field(default_factory=this_access)

    def takes(self, path: str) -> bool:
        """Return whether a photo's path in PHOTOS belongs to the source as it is configured now."""
        if self.source.kind == "cifar":  # `include` is for the file that holds the records.
            path = path.rpartition(MEMBER)[0]
        include = self.source.include
        return self.holds(path) and (not include or bool(re.search(include, path)))

    def holds(self, path: str) -> bool:
        """Return whether a path, also of an archive, lies below the root and matches the glob."""
        below = path.removeprefix(self.root)
        if self.root and (below == path or (below and not below.startswith(("/", "!")))):
            return False
        return not self.glob or bool(re.fullmatch(self.glob, below.lstrip("/"), re.DOTALL))


def find_place(source: PhotoSource) -> Place:
    """Find a source of files.

    Raises:
        InputError: there is nothing at its path, or its pattern is invalid.
    """
    found = _status(source.path)
    glob = ""
    if found is None:
        folder, pattern = split_glob(source.path)
        found = _status(folder) if pattern else None
        if found is None:
            raise InputError(
                f"ingest_photos.source: there is no {source.path!r}; give a path that exists"
            )
        try:
            # What lies below a folder that matches, or in a tar, also belongs to the source.
            glob = f"(?:{glob_expression(pattern.rstrip('/'))})(?:[/!].*)?"
        except ValueError as error:
            raise InputError(f"ingest_photos.source: {error}") from None
    return Place(source, shown_path(found.path).rstrip("/"), found, glob)


def shown_path(path: str) -> str:
    """Return a path as PHOTOS has it: a local one as a URI, absolute, with its links."""
    return path if is_remote(path) else f"file:{os.path.abspath(local(path))}"


def _status(path: str) -> FileStatus | None:
    if is_remote(path):
        return store_files().status(path.rstrip("/"))
    plain = Path(os.path.abspath(local(path)))
    if not plain.exists():
        return None
    status = plain.stat()
    return FileStatus(str(plain), plain.name, status.st_size, plain.is_dir(), status.st_mtime)


def make_describer(place: Place) -> Callable[[str], Description]:
    """Return what derives a photo's id, label and owner from its path, and why it has no label.

    Raises:
        InputError: the source's list of labels is invalid.
    """
    source = place.source
    listed = read_photo_labels(source.labels, source.classes) if source.labels else None
    fault = f"it is not in {source.labels}"

    def describe(path: str) -> Description:
        relative = relative_path(path, place.root)
        whole = f"{place.root}/{relative}" if place.root else path
        label = listed.find(whole) if listed else first_group(source.label_pattern or "", whole)
        return (
            make_photo_id(source.name, relative),
            as_label(label),
            first_group(source.owner_pattern, whole),
            fault if listed and label is None else "",
        )

    return describe


def as_label(text: str | None) -> str | None:
    """Return a text in NFC, as LABELS has it; a folder's or table's é may be two characters."""
    return None if text is None else unicodedata.normalize("NFC", text)


def first_group(pattern: str, text: str) -> str | None:
    """Return what the first group of a pattern matches; None without a match or a pattern."""
    match = re.search(pattern, text) if pattern else None
    return match.group(1) if match else None
