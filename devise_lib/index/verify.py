"""Checks a bundle: every file against the manifest, and the index against its ids.

python -m devise_lib.index.verify FOLDER
"""

import sys
from pathlib import Path

import numpy as np

from devise_lib.errors import InputError
from devise_lib.index.index_file import IndexFile
from devise_lib.index.manifest import (
    AGAIN,
    IDS_FILE,
    INDEX_FILE,
    LISTS_FILE,
    MANIFEST_FILE,
    NO_BUNDLE,
    REMOVED_FILE,
    WORD_VECTORS_FILE,
    WORDS_FILE,
    Manifest,
    Segment,
)
from devise_lib.index.places import order_of
from devise_lib.index.remote import store_packages
from devise_lib.storage.files import file_sha256

PROBES = 1_000  # rows whose place is compared with that of the next row, per segment


def verify_folder(folder: Path, name: str) -> Manifest:
    """Reads all files of a bundle on a local disk and compares them with its manifest.

    Args:
        folder: of the bundle.
        name: of the folder for the errors, such as the URI that it is a copy of.

    Returns:
        The manifest.

    Raises:
        InputError: a file is missing or was changed, or what is in it differs from the manifest.
    """
    path = folder / MANIFEST_FILE
    if not path.exists():
        raise InputError(f"{name} {NO_BUNDLE}")
    manifest = Manifest.from_json(path.read_bytes(), f"{name}/{MANIFEST_FILE}")
    for file, about in manifest.files.items():
        if not (folder / file).exists():
            raise InputError(f"{name}/{file} is missing: {AGAIN}")
        if (got := file_sha256(folder / file)) != about.sha256:
            raise InputError(
                f"{name}/{file} was changed: its SHA-256 is {got}, the manifest has "
                f"{about.sha256}; {AGAIN}"
            )
    row = 0
    for segment in manifest.segments:
        if segment.first_row != row:
            raise InputError(f"{name}/{segment.name} begins at row {segment.first_row}, want {row}")
        _check_segment(folder / segment.name, f"{name}/{segment.name}", segment, manifest)
        row += segment.rows
    removed = np.load(folder / REMOVED_FILE) if manifest.removed else np.empty(0, np.int64)
    if len(removed) != manifest.removed or row - len(removed) != manifest.n:
        raise InputError(
            f"{name} has {row} rows and {len(removed)} removed ones; the manifest has "
            f"{manifest.n} photos and {manifest.removed} removed rows: {AGAIN}"
        )
    if manifest.words:
        _check_words(folder, name, manifest)
    return manifest


def _check_segment(folder: Path, name: str, segment: Segment, manifest: Manifest) -> None:
    index = IndexFile(folder / INDEX_FILE)
    ids = np.load(folder / IDS_FILE, mmap_mode="r")
    lists = np.load(folder / LISTS_FILE, mmap_mode="r")
    found = (index.n, index.listed(), len(ids), len(lists), index.dimension, index.nlist)
    rows, listed = segment.rows, segment.listed
    wanted = (rows, listed, rows, rows, manifest.dimension, manifest.nlist)
    if found != wanted:
        names = ("vectors", "vectors in lists", "ids", "lists of rows", "dimensions", "lists")
        said = ", ".join(f"{got} {word}" for got, word in zip(found, names, strict=True))
        want = ", ".join(map(str, wanted))
        raise InputError(f"{name} has {said}; the manifest says {want}: {AGAIN}")
    rng = np.random.default_rng(0)
    for start, stop in segment.ranges:
        for row in np.unique(rng.integers(start, max(stop - 1, start + 1), PROBES)):
            if row + 1 < stop and order_of(ids[row]) >= order_of(ids[row + 1]):
                raise InputError(f"{name}/{IDS_FILE} is not in order at row {row}: {AGAIN}")


def _check_words(folder: Path, name: str, manifest: Manifest) -> None:
    words = (folder / WORDS_FILE).read_text(encoding="utf-8").splitlines()
    shape = np.load(folder / WORD_VECTORS_FILE, mmap_mode="r").shape
    if (len(words), *shape) != (manifest.words, manifest.words, manifest.dimension):
        raise InputError(
            f"{name} has {len(words)} words and vectors {shape}; the manifest says "
            f"{manifest.words} of {manifest.dimension} numbers: {AGAIN}"
        )


def main(arguments: list[str]) -> int:
    """Checks the bundle that the command line names; returns the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m devise_lib.index.verify FOLDER", file=sys.stderr)  # noqa: T201
        return 0 if arguments in (["-h"], ["--help"]) else 2
    folder = arguments[0].rstrip("/")
    try:
        if "://" in folder:
            with store_packages(folder):
                from devise_lib.storage.copies import fetched_folder

            with fetched_folder(folder) as local:
                manifest = verify_folder(local, folder)
        else:
            manifest = verify_folder(Path(folder), folder)
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(  # noqa: T201
        f"{folder} is whole: {manifest.n:,} photos of model {manifest.model_id}\n"
        f"{manifest.quality()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
