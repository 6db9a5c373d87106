"""Where a source of photos lies, which paths belong to it, and what a path tells of a photo."""

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pyspark.sql import SparkSession

from devise_lib.config.photos import PhotoSource
from devise_lib.errors import InputError
from devise_lib.paths import glob_expression, is_remote, local, split_glob
from devise_lib.spark.ingest.rows import make_photo_id, relative_path
from devise_lib.spark.platform.hadoop_files import WorkerFiles, session_files
from devise_lib.text.labels.photo_labels import read_photo_labels
from devise_lib.text.wikipedia.files import FileStatus
from devise_lib.vision.archives.tar_photos import MEMBER

Description = tuple[str, str | None, str | None, str]  # photo_id, label, owner, fault
BARE_STORE = re.compile(r"[^/]+://[^/]+")


@dataclass(frozen=True)
class Place:
    """A source that is there; goes to executors.

    Attributes:
        source: as it is configured.
        root: what the paths of its photos begin with, as PHOTOS have it: file:/photos, s3a://b/x;
            "" for a table.
        start: what lies there: a folder, or the one file; None for a table.
        glob: a regular expression for paths below the root, matched whole; "" for all.
        opener: of its files.
    """

    source: PhotoSource
    root: str = ""
    start: FileStatus | None = None
    glob: str = ""
    opener: WorkerFiles = field(default_factory=WorkerFiles)

    def takes(self, path: str) -> bool:
        """Whether a photo's path, as PHOTOS has it, belongs to the source as it is configured."""
        if self.source.kind == "cifar":  # of its records the file counts
            path = path.rpartition(MEMBER)[0]
        include = self.source.include
        return self.holds(path) and (not include or bool(re.search(include, path)))

    def holds(self, path: str) -> bool:
        """Whether a path lies below the root and is one of its pattern; an archive's, too."""
        below = path.removeprefix(self.root)
        if self.root and (below == path or (below and not below.startswith(("/", "!")))):
            return False
        return not self.glob or bool(re.fullmatch(self.glob, below.lstrip("/"), re.DOTALL))


def find_place(spark: SparkSession, source: PhotoSource) -> Place:
    """Look for a source of files.

    Raises:
        InputError: the path is missing.
    """
    _, opener = session_files(spark, source.path)
    found = _status(spark, source.path)
    glob = ""
    if found is None:
        folder, pattern = split_glob(source.path)
        found = _status(spark, folder) if pattern else None
        if found is None:
            raise InputError(
                f"ingest_photos.source: there is no {source.path!r}; give a path that exists"
            )
        try:
            # What lies below a folder that matches, or in a tar, belongs to the source as well.
            glob = f"(?:{glob_expression(pattern.rstrip('/'))})(?:[/!].*)?"
        except ValueError as error:
            raise InputError(f"ingest_photos.source: {error}") from None
    return Place(source, shown_path(found.path).rstrip("/"), found, glob, opener)


def shown_path(path: str) -> str:
    """A path as PHOTOS have it; a local one as a URI, absolute, its links kept."""
    return path if is_remote(path) else f"file:{os.path.abspath(local(path))}"


def _status(spark: SparkSession, path: str) -> FileStatus | None:
    if is_remote(path):
        files, _ = session_files(spark, path)
        bare = BARE_STORE.fullmatch(path.rstrip("/"))
        return files.status(f"{path.rstrip('/')}/" if bare else path.rstrip("/"))
    plain = Path(os.path.abspath(local(path)))
    if not plain.exists():
        return None
    status = plain.stat()
    return FileStatus(str(plain), plain.name, status.st_size, plain.is_dir(), status.st_mtime)


def make_describer(place: Place) -> Callable[[str], Description]:
    """What tells a photo's id, label and owner from its path, and why it has no label.

    Raises:
        InputError: the source's list of labels is not as it must be.
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
    """A text in NFC, as LABELS have theirs; of a folder or table \u00e9 may be two characters."""
    return None if text is None else unicodedata.normalize("NFC", text)


def first_group(pattern: str, text: str) -> str | None:
    """What the pattern's first group finds in a text; None where nothing, or without a pattern."""
    match = re.search(pattern, text) if pattern else None
    return match.group(1) if match else None
