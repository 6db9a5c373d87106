"""Finds CIFAR's records: .bin files in a folder, or in the archive as it is downloaded."""

import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import pandas as pd
from pyspark.sql import SparkSession

from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.spark.ingest.sources import shown_path
from devise_lib.storage.files import Files, FileStatus
from devise_lib.storage.stores import StoreAccess, store_files, this_access
from devise_lib.text.labels.class_names import parse_class_names
from devise_lib.vision.archives.cifar import FORMATS, CifarFormat
from devise_lib.vision.archives.tar_photos import MEMBER, is_hidden

ARCHIVES = (".tar.gz", ".tgz", ".tar")
TEXT_BYTES = 1 << 16  # more than the class names need
MEMBERS = "name string, size long, modified_s double, text binary"
WANTED = (
    "want the binary version, cifar-100-binary.tar.gz or cifar-10-binary.tar.gz, or its "
    f"content: .bin files, with {FORMATS[0].names_file} or {FORMATS[1].names_file} beside them"
)


@dataclass(frozen=True)
class BinFile:
    """A file of records.

    Attributes:
        path: of the file, or of the archive that holds it.
        member: its name in the archive; "" for a file by itself.
        size: in bytes.
        modified_s: time of its last change, seconds since the epoch.
    """

    path: str
    member: str
    size: int
    modified_s: float

    @property
    def name(self) -> str:
        """The name of the file without its folders."""
        return os.path.basename(self.member or self.path)

    @property
    def shown_path(self) -> str:
        """The path as PHOTOS has it."""
        path = shown_path(self.path)
        return f"{path}{MEMBER}{self.member}" if self.member else path


@dataclass(frozen=True)
class CifarFiles:
    """What a source holds: the data set, its class names by number, and its files of records."""

    layout: CifarFormat
    classes: tuple[str, ...]
    bins: tuple[BinFile, ...]


def list_cifar(spark: SparkSession, source: str) -> list[BinFile]:
    """Return the files whose size and time show a change: an archive itself, or its .bin files.

    An archive is not opened.

    Raises:
        InputError: there is nothing at the path, no .bin file, or no class names.
    """
    status = _look(source)
    if status.name.endswith(ARCHIVES):
        return [BinFile(status.path, "", status.size, status.modified_s)]
    return list(find_cifar(spark, source).bins)


def _look(source: str) -> FileStatus:
    status = store_files().status(absolute(source.rstrip("/")))
    if status is None:
        raise InputError(f"ingest_photos.source: there is no {source!r}; give a path that exists")
    return status


def find_cifar(spark: SparkSession, source: str) -> CifarFiles:
    """Look into a folder, an archive or a single .bin file.

    Raises:
        InputError: there is no .bin file, or not the class names of exactly one data set.
    """
    status = _look(source)
    if status.name.endswith(ARCHIVES):
        bins, texts = _look_into_archive(spark, status)
    else:
        bins, texts = _look_into_folder(status)
    if not bins:
        raise InputError(f"ingest_photos.source: {source!r} has no .bin file in it; {WANTED}")
    found = [layout for layout in FORMATS if layout.names_file in texts]
    if len(found) != 1:
        had = " and ".join(layout.names_file for layout in found) or "neither file of class names"
        raise InputError(f"ingest_photos.source: {source!r} has {had}; {WANTED}")
    names = f"{source}/{found[0].names_file}"
    lines = enumerate(texts[found[0].names_file].decode("utf-8", "replace").splitlines(), start=1)
    classes = parse_class_names(((i, line) for i, line in lines if line.strip()), names)
    return CifarFiles(found[0], tuple(classes), tuple(bins))


def read_pieces(
    access: StoreAccess, file: BinFile, start: int, stop: int, piece_bytes: int
) -> Iterator[bytes]:
    """Read the bytes of a file of records from `start` to `stop`, in pieces, on a worker.

    Raises:
        InputError: the archive that holds it is damaged.
        ValueError: `start` is within an archive member, which can only be read from its beginning.
    """
    if file.member and start:
        raise ValueError(f"{file.shown_path} is read from its beginning, not from byte {start}")
    if file.member:
        for name, _, content in _stream(access.open(), file.path):
            if name == file.member:
                yield from _pieces(content, stop, piece_bytes)
                return
    else:
        with io.BufferedReader(access.open().open_range(file.path, start, stop)) as content:
            yield from _pieces(content, stop - start, piece_bytes)


def _pieces(content: IO[bytes], count: int, piece_bytes: int) -> Iterator[bytes]:
    while piece := content.read(min(piece_bytes, count)):
        count -= len(piece)
        yield piece


def _stream(files: Files, path: str) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes]]]:
    """Give the files of an archive, compressed or not: name, member, content; forwards only."""
    status = files.status(path)
    try:
        with (
            io.BufferedReader(files.open_range(path, 0, status.size if status else 0)) as file,
            tarfile.open(fileobj=file, mode="r|*") as archive,
        ):
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and not is_hidden(os.path.normpath(member.name)):
                    yield member.name, member, content
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise InputError(
            f"ingest_photos.source: {path} cannot be read as an archive ({error}); {WANTED}"
        ) from error


def _look_into_folder(status: FileStatus) -> tuple[list[BinFile], dict[str, bytes]]:
    """Return the files of records of a folder, or a single one, and the class names beside them."""
    files = store_files()
    folder = status.path if status.is_folder else os.path.dirname(status.path)
    beside = {each.name: each for each in files.children(folder)}
    bins = [
        BinFile(each.path, "", each.size, each.modified_s)
        for each in (beside.values() if status.is_folder else [status])
        if each.name.endswith(".bin") and not each.is_folder
    ]
    texts = {}
    for layout in FORMATS:
        if names := beside.get(layout.names_file):
            with io.BufferedReader(files.open_range(names.path, 0, names.size)) as file:
                texts[names.name] = file.read(TEXT_BYTES)
    return bins, texts


def _look_into_archive(
    spark: SparkSession, status: FileStatus
) -> tuple[list[BinFile], dict[str, bytes]]:
    """Return the files of records and the class names of an archive.

    A task does it, because the whole archive must be unpacked to see its content.
    """
    path, text_names = status.path, tuple(layout.names_file for layout in FORMATS)
    access = this_access()

    def look(_: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for name, member, content in _stream(access.open(), path):
            is_text = os.path.basename(name) in text_names
            row = (name, member.size, member.mtime, content.read(TEXT_BYTES) if is_text else None)
            yield pd.DataFrame([row], columns=["name", "size", "modified_s", "text"])

    rows = spark.range(1, numPartitions=1).mapInPandas(look, MEMBERS).collect()
    bins = [
        BinFile(path, row["name"], row["size"], row["modified_s"])
        for row in rows
        if row["name"].endswith(".bin")
    ]
    return bins, {os.path.basename(row["name"]): bytes(row["text"]) for row in rows if row["text"]}
