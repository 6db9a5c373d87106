"""Animals with Attributes 2 (AWA2): its classes as labels, and their attributes.

The release has 50 classes with 85 attributes each, photos in JPEGImages/<class>/, and two files of
classes: trainclasses.txt and testclasses.txt, the standard split. A "+" in a class's name stands
for a space.

Source: Xian, Lampert, Schiele, Akata, Zero-Shot Learning - A Comprehensive Evaluation of the Good,
the Bad and the Ugly, TPAMI 2018; its proposed split is another list of test classes.
"""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.text.labels.class_names import read_class_names
from devise_lib.text.labels.label_files import Label, spoken
from devise_lib.text.lines import numbered_lines

CLASSES, TEST_CLASSES = "classes.txt", "testclasses.txt"
ATTRIBUTES = "predicate-matrix-continuous.txt"
PHOTOS = "JPEGImages"


@dataclass(frozen=True)
class FolderCheck:
    """What of a release's classes and its folders of photos has no counterpart, by name."""

    classes_without_folder: tuple[str, ...]
    folders_of_no_class: tuple[str, ...]


def read_awa2(folder: str, unseen_path: str, label_set: str) -> list[Label]:
    """The classes of classes.txt as labels, in its order.

    Args:
        folder: of the release.
        unseen_path: a class a line, those that no photo may be trained on; "": the release's
            testclasses.txt.
        label_set: name of the set.

    Raises:
        InputError: a file is missing, or a class of `unseen_path` is not in classes.txt.
    """
    names = read_class_names(f"{folder}/{CLASSES}")
    unseen_path = unseen_path or f"{folder}/{TEST_CLASSES}"
    unseen = read_class_names(unseen_path)
    if strangers := sorted(set(unseen) - set(names)):
        raise InputError(
            f"{unseen_path}: {len(strangers)} of {len(unseen)} classes are not in "
            f"{folder}/{CLASSES}: {', '.join(strangers[:10])}; want names of that file"
        )
    return [Label(name, (spoken(name),), name not in unseen, label_set) for name in names]


def read_attributes(folder: str) -> dict[str, NDArray[np.float32]]:
    """The attributes of each class, (n_attributes,), unit L2 norm.

    A row of predicate-matrix-continuous.txt as it stands, scaled: strengths from 0 to 100, and -1
    where one is missing. So the benchmark of the source has them, too.

    Raises:
        InputError: the matrix has not a row for each class, rows differ in length, or one has a
            field that is no finite number, or nothing but zeros.
    """
    names, path = read_class_names(f"{folder}/{CLASSES}"), f"{folder}/{ATTRIBUTES}"
    rows: list[NDArray[np.float64]] = []
    for number, line in numbered_lines(path, "attributes, one class a line"):
        try:
            row = np.array(line.split(), dtype=np.float64)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: want numbers ({error})") from None
        if rows and len(row) != len(rows[0]):
            raise InputError(
                f"{path}, line {number}: {len(row)} attributes, want {len(rows[0])} as in the first"
            )
        if not np.isfinite(row).all() or not row.any():
            raise InputError(f"{path}, line {number}: want finite numbers that are not all 0")
        rows.append(row)
    if len(rows) != len(names):
        raise InputError(
            f"{path}: {len(rows)} rows of attributes, want {len(names)}: one for each class of "
            f"{folder}/{CLASSES}"
        )
    unit = l2_normalize(np.stack(rows)).astype(np.float32)  # (n_classes, n_attributes)
    return dict(zip(names, unit, strict=True))


def check_folders(folder: str) -> FolderCheck:
    """Compare the classes with the folders of JPEGImages; nothing to say where it is not there.

    The release also comes without its photos, and they may lie elsewhere.

    Raises:
        InputError: no class at all has a folder.
    """
    photos = Path(folder) / PHOTOS
    if not photos.is_dir():
        return FolderCheck((), ())
    names = read_class_names(f"{folder}/{CLASSES}")
    folders = (path.name for path in photos.iterdir() if path.is_dir())
    found = {unicodedata.normalize("NFC", name) for name in folders}
    if found.isdisjoint(names):
        raise InputError(
            f"{photos}: none of its {len(found)} folders is one of the {len(names)} classes of "
            f"{folder}/{CLASSES}; want a folder a class, such as {names[0]}"
        )
    return FolderCheck(
        tuple(name for name in names if name not in found), tuple(sorted(found - set(names)))
    )
