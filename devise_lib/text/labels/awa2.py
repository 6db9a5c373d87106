"""Animals with Attributes 2 (AWA2): its classes as labels, and their attributes.

The release has 50 classes with 85 attributes each, photos in JPEGImages/<class>/, and two files of
classes: trainclasses.txt and testclasses.txt, which are the standard split. A "+" in a class's name
stands for a space. The proposed split of the source is another list of test classes.

Source: Xian, Lampert, Schiele, Akata, Zero-Shot Learning - A Comprehensive Evaluation of the Good,
the Bad and the Ugly, TPAMI 2018.
"""

import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.storage.files import folders_in
from devise_lib.storage.stores import store_files
from devise_lib.text.labels.class_names import read_class_names
from devise_lib.text.labels.label_files import Label, to_term
from devise_lib.text.lines import numbered_lines

CLASSES, TEST_CLASSES = "classes.txt", "testclasses.txt"
ATTRIBUTES = "predicate-matrix-continuous.txt"
PHOTOS = "JPEGImages"


@dataclass(frozen=True)
class FolderCheck:
    """The classes of a release that have no folder of photos, and the folders that are of no
    class.
    """

    classes_without_folder: tuple[str, ...]
    folders_of_no_class: tuple[str, ...]


def read_awa2(folder: str, unseen_path: str, label_set: str) -> list[Label]:
    """Reads the classes of classes.txt as labels, in its order.

    Args:
        folder: of the release.
        unseen_path: a file with one class per line, on whose photos no model may be trained; "" for
            the release's testclasses.txt.
        label_set: the name of the set.

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
    return [Label(name, (to_term(name),), name not in unseen, label_set) for name in names]


def read_attributes(folder: str) -> dict[str, NDArray[np.float32]]:
    """Reads the attributes of each class, (n_attributes,), scaled to unit L2 norm.

    The numbers of predicate-matrix-continuous.txt are strengths from 0 to 100, and -1 for a missing
    one. They are only scaled, as in the benchmark of the source.

    Raises:
        InputError: the number of rows is not that of the classes, rows differ in length, or a row
            has a field that is no finite number, or only zeros.
    """
    names, path = read_class_names(f"{folder}/{CLASSES}"), f"{folder}/{ATTRIBUTES}"
    rows: list[NDArray[np.float64]] = []
    for number, line in numbered_lines(path, "attributes, one class per line"):
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
    """Compares the classes with the folders of JPEGImages.

    The result is empty if JPEGImages is missing, because the release also comes without its photos,
    and they may be elsewhere.

    Raises:
        InputError: no class has a folder.
    """
    photos = f"{folder}/{PHOTOS}"
    folders = folders_in(store_files(), photos)
    if folders is None:
        return FolderCheck((), ())
    names = read_class_names(f"{folder}/{CLASSES}")
    found = {unicodedata.normalize("NFC", name) for name in folders}
    if found.isdisjoint(names):
        raise InputError(
            f"{photos}: none of its {len(found)} folders is one of the {len(names)} classes of "
            f"{folder}/{CLASSES}; want one folder per class, such as {names[0]}"
        )
    return FolderCheck(
        tuple(name for name in names if name not in found), tuple(sorted(found - set(names)))
    )
