"""Lists of photos' labels by file name, which come with flat folders of validation photos."""

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
        by_name: the label by the file's name in NFC, by its stem, or by the photo's number as text.
        by_number: whether photos are identified by the last number in their name, as in ILSVRC2012.
    """

    by_name: Mapping[str, str] = field(repr=False)
    by_number: bool = False

    def find(self, path: str) -> str | None:
        """Returns the label of the photo at `path`; None if the list has none."""
        file = PurePosixPath(unicodedata.normalize("NFC", path))
        if self.by_number:
            match = _LAST_NUMBER.search(file.stem)
            return self.by_name.get(str(int(match.group(1)))) if match else None
        return self.by_name.get(file.name) or self.by_name.get(file.stem)


def read_photo_labels(path: str, classes_path: str = "") -> PhotoLabels:
    """Reads a list of photos' labels into memory.

    There are two kinds of lists:

    - Lines of a file name, with or without its suffix, and a label, separated by a comma or white
      space. Further fields are ignored. Examples are `val_0.JPEG n03444034 0 32 44` of Tiny
      ImageNet and `ILSVRC2012_val_00000001,n01751748 1 2 3 4` of Kaggle.
    - Lines of a class's number, for the photos 1, 2, ..., as in
      ILSVRC2012_validation_ground_truth.txt.

    Args:
        path: of the list.
        classes_path: the labels of the numbers: meta.mat of ILSVRC2012's development kit, or a file
            with one label per line, for the classes 1, 2, ...

    Raises:
        InputError: a file cannot be read, a line is not of these forms, a photo comes twice, or a
            number is of no class.
    """
    labels = _read_classes(classes_path) if classes_path else {}
    by_name: dict[str, str] = {}
    by_number = False
    for number, line in numbered_lines(path, "a list of photos and their labels"):
        fields = re.split(r"[\s,]+", line.strip())
        by_number = by_number or (not by_name and len(fields) == 1)
        if by_number != (len(fields) == 1):
            raise InputError(
                f"{path}, line {number}: want a file name and a label per line, or the number of "
                f"a class on every line; got {line!r}"
            )
        name, label = (str(len(by_name) + 1), fields[0]) if by_number else (fields[0], fields[1])
        if (by_number or classes_path) and label not in labels:
            raise InputError(_no_class(path, number, label, classes_path, len(labels)))
        if name in by_name:
            raise InputError(f"{path}, line {number}: the photo {name!r} comes twice")
        by_name[name] = labels.get(label, label)
    if not by_name:
        raise InputError(f"{path}: no photo in it, want a file name and a label per line")
    return PhotoLabels(by_name, by_number)


def _no_class(path: str, line: int, label: str, classes_path: str, count: int) -> str:
    if not classes_path:
        return (
            f"{path}, line {line}: {label!r} is the number of a class: give `classes`, the label "
            "of each number, such as meta.mat of ILSVRC2012's development kit"
        )
    return f"{path}, line {line}: {label!r} is no class of {classes_path}, which has 1 to {count}"


def _read_classes(path: str) -> dict[str, str]:
    """Reads the label of each number, from 1 on."""
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
