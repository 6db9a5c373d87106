"""The classes of a data set as labels, by a split: a JSON file with terms and unseen classes.

All keys of the split are optional:

- terms: class -> list of terms; by default its name with spaces for underscores.
- same: class -> the class whose label it shares, as an alias.
- left_out: list of classes.
- unseen: list of labels.
"""

import json
import unicodedata
from collections.abc import Sequence
from typing import Any

from devise_lib.errors import InputError
from devise_lib.storage.files import folders_in
from devise_lib.storage.stores import store_files
from devise_lib.text.labels.class_names import read_class_names
from devise_lib.text.labels.label_files import Label, require_unique, to_term
from devise_lib.text.lines import numbered_lines

_KEYS: dict[str, type] = {"same": dict, "terms": dict, "left_out": list, "unseen": list}


def read_folder_split(split_path: str, folder: str, label_set: str) -> list[Label]:
    """Makes the folders of `folder` labels, sorted by name.

    Args:
        split_path: a JSON file with any of the keys `terms`, `same`, `left_out` and `unseen`.
        folder: a folder with one folder of photos per class.
        label_set: the name of the set.

    Raises:
        InputError: a file is missing or of another form, or names a label that has no folder.
    """
    split = _read_split(split_path)
    folders = folders_in(store_files(), folder)
    if folders is None:
        raise InputError(f"no folder {folder}; want one with a folder of photos for each label")
    names = sorted(unicodedata.normalize("NFC", name) for name in folders)
    return _labels_of(names, split, split_path, f"folders of {folder}", label_set)


def read_cifar_labels(names_path: str, split_path: str, label_set: str) -> list[Label]:
    """Makes the classes of CIFAR-10 or CIFAR-100 labels, in the order of their numbers.

    Args:
        names_path: batches.meta.txt or fine_label_names.txt, with one class name per line.
        split_path: a JSON file with any of the keys `terms`, `same`, `left_out` and `unseen`; "" if
            every class is seen.
        label_set: the name of the set.

    Raises:
        InputError: a file is missing or of another form, or the split names another class.
    """
    split = _read_split(split_path) if split_path else _with_every_key({}, "")
    names = read_class_names(names_path)
    return _labels_of(names, split, split_path or names_path, f"classes of {names_path}", label_set)


def _labels_of(
    names: Sequence[str], split: dict[str, Any], split_path: str, what: str, label_set: str
) -> list[Label]:
    """Makes the classes labels by a split, in their order."""
    same, left_out, unseen = split["same"], set(split["left_out"]), set(split["unseen"])
    taken = [name for name in names if name not in left_out]
    own = [name for name in taken if name not in same]
    for key, named in (("unseen", unseen), ("same", same.values())):
        strangers = sorted(set(named) - set(own))
        if strangers:
            raise InputError(
                f"{split_path}: {key!r} names {strangers}, which are no labels: want names of "
                f"{what} that are neither left_out nor the same as another"
            )
    labels = [
        Label(
            label=name,
            terms=tuple(split["terms"].get(name, [to_term(name)])),
            seen=name not in unseen,
            label_set=label_set,
            aliases=tuple(alias for alias in taken if same.get(alias) == name),
        )
        for name in own
    ]
    return require_unique(labels, split_path)


def _read_split(path: str) -> dict[str, Any]:
    text = "\n".join(line for _, line in numbered_lines(path, "a split of classes (JSON)"))
    try:
        split = _in_nfc(json.loads(text))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: want JSON ({error})") from None
    if not isinstance(split, dict):
        raise InputError(f"{path}: want a JSON object with {', '.join(_KEYS)}")
    return _with_every_key(split, path)


def _in_nfc(value: Any) -> Any:
    """Normalises the texts of a JSON value to NFC, because escapes may encode other forms."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_in_nfc(item) for item in value]
    if isinstance(value, dict):
        return {_in_nfc(key): _in_nfc(item) for key, item in value.items()}
    return value


def _with_every_key(given: dict[str, Any], path: str) -> dict[str, Any]:
    split = {**{key: kind() for key, kind in _KEYS.items()}, **given}
    for key, kind in _KEYS.items():
        if not isinstance(split[key], kind):
            raise InputError(f"{path}: {key!r} is {split[key]!r}, want a {kind.__name__}")
    for name, terms in split["terms"].items():
        if not isinstance(terms, list) or not terms:
            raise InputError(f"{path}: the terms of {name!r} are {terms!r}, want a list of terms")
    return split
