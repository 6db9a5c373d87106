"""Lists of the labels of photos by their file names, as flat validation folders have them."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from devise_lib.errors import InputError
from devise_lib.text.labels.class_names import read_class_names
from devise_lib.text.lines import numbered_lines

_NOT_ITS_SHAPE = (KeyError, ValueError, TypeError, IndexError, NotImplementedError)
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class PhotoLabels:
    """The label of each photo of a list.

    Attributes:
        by_name: file name in NFC, or its stem, or the photo's number as text -> label.
        by_number: whether photos go by the last number in their name, as ILSVRC2012's do.
    """

    by_name: Mapping[str, str] = field(repr=False)
    by_number: bool = False

    def find(self, path: str) -> str | None:
        """The label of the photo at `path`; None where the list has none."""
        file = PurePosixPath(unicodedata.normalize("NFC", path))
        if self.by_number:
            match = _LAST_NUMBER.search(file.stem)
            return self.by_name.get(str(int(match.group(1)))) if match else None
        return self.by_name.get(file.name) or self.by_name.get(file.stem)


def read_photo_labels(path: str, classes_path: str = "") -> PhotoLabels:
    """A list of the labels of photos; it is held in memory.

    Args:
        path: lines of a file name, with or without its suffix, and a label, separated by a
            comma or white space, what follows them being left out (`val_0.JPEG n03444034 0 32 44`
            of Tiny ImageNet, `ILSVRC2012_val_00000001,n01751748 1 2 3 4` of Kaggle); or, as
            ILSVRC2012_validation_ground_truth.txt, a class's number a line, of photo 1, 2, ...
        classes_path: what the numbers mean: meta.mat of ILSVRC2012's development kit, or a file
            with one label a line, of class 1, 2, ...

    Raises:
        InputError: a file cannot be read, a line is not like that, a photo comes twice, or a number
            is of no class.
    """
    labels = _read_classes(classes_path) if classes_path else {}
    by_name: dict[str, str] = {}
    by_number = False
    for number, line in numbered_lines(path, "a list of photos and their labels"):
        fields = re.split(r"[\s,]+", line.strip())
        by_number = by_number or (not by_name and len(fields) == 1)
        if by_number != (len(fields) == 1):
            raise InputError(
                f"{path}, line {number}: want a file name and a label a line, or the number of "
                f"a class on every line; got {line!r}"
            )
        name, label = (str(len(by_name) + 1), fields[0]) if by_number else (fields[0], fields[1])
        if (by_number or classes_path) and label not in labels:
            raise InputError(_no_class(path, number, label, classes_path, len(labels)))
        if name in by_name:
            raise InputError(f"{path}, line {number}: the photo {name!r} comes twice")
        by_name[name] = labels.get(label, label)
    if not by_name:
        raise InputError(f"{path}: no photo in it, want a file name and a label a line")
    return PhotoLabels(by_name, by_number)


def _no_class(path: str, line: int, label: str, classes_path: str, count: int) -> str:
    if not classes_path:
        return (
            f"{path}, line {line}: {label!r} is the number of a class: give `classes`, the label "
            "of each number, such as meta.mat of ILSVRC2012's development kit"
        )
    return f"{path}, line {line}: {label!r} is no class of {classes_path}, which has 1 to {count}"


def _read_classes(path: str) -> dict[str, str]:
    """The label of each number, from 1 on."""
    if not path.endswith(".mat"):
        return {str(i): name for i, name in enumerate(read_class_names(path), start=1)}
    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        pairs = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
        return {str(int(number)): str(wnid) for number, wnid in pairs}
    except (OSError, MatReadError, *_NOT_ITS_SHAPE) as error:
        raise InputError(
            f"{path}: want meta.mat of ILSVRC2012's development kit, with synsets of ILSVRC2012_ID "
            f"and WNID ({type(error).__name__}: {error})"
        ) from None
