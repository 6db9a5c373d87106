"""Labels: read label sets, and the words of their terms."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devise_lib.errors import InputError
from devise_lib.text.lines import numbered_lines
from devise_lib.text.tokens import words

_TABLE_HEADER = ["label", "terms", "split", "aliases"]
_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")


@dataclass(frozen=True, slots=True)
class Label:
    """A class of photos."""

    label: str  # its id in the photos' table, such as a WordNet id or a folder's name
    terms: tuple[str, ...]  # names in natural language, the best first; never empty
    seen: bool  # False: no photo of it may be trained on
    label_set: str
    aliases: tuple[str, ...] = ()  # other ids that photos of this label carry


def read_label_table(path: str, label_set: str) -> list[Label]:
    """Labels of a tab-separated file with the header `label terms split aliases`.

    `terms` and `aliases` are separated by commas, `split` is `seen` or `unseen`; empty terms
    stand for the label's own name with spaces for underscores.

    Raises:
        InputError: the file, its header or a line is not like that, or a label comes twice.
    """
    lines = numbered_lines(path, "a label table")
    _, header = next(lines, (1, ""))
    if header.split("\t") != _TABLE_HEADER:
        raise InputError(
            f"{path}, line 1: want the header {' '.join(_TABLE_HEADER)} (tab-separated), "
            f"got {header!r}"
        )
    labels = []
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(_TABLE_HEADER) or not fields[0].strip():
            raise InputError(
                f"{path}, line {number}: want {len(_TABLE_HEADER)} tab-separated fields "
                f"({', '.join(_TABLE_HEADER)}) and a label, got {line!r}"
            )
        name, terms, split, aliases = (field.strip() for field in fields)
        if split not in ("seen", "unseen"):
            raise InputError(f"{path}, line {number}: split is {split!r}, want seen or unseen")
        spoken = _list(terms) or (_spoken(name),)
        labels.append(Label(name, spoken, split == "seen", label_set, _list(aliases)))
    return _without_doubles(labels, path)


def read_imagenet(words_path: str, ids_path: str, label_set: str, seen: bool = True) -> list[Label]:
    """Labels that are WordNet ids, in the order of the list of ids.

    Args:
        words_path: lines of WordNet id, tab, terms separated by commas.
        ids_path: one WordNet id a line; the synsets to take.
        label_set: name of the set.
        seen: whether photos of them may be trained on.

    Raises:
        InputError: a file is missing, a line is not like that, or an id has no terms.
    """
    ids = [
        (number, line.strip()) for number, line in numbered_lines(ids_path, "a list of WordNet ids")
    ]
    wanted = {name for _, name in ids}
    terms: dict[str, tuple[str, ...]] = {}
    for number, line in numbered_lines(words_path, "the words of WordNet ids"):
        name, tab, rest = line.partition("\t")
        if not tab or not _list(rest):
            raise InputError(
                f"{words_path}, line {number}: want id, tab, terms separated by commas, "
                f"got {line!r}"
            )
        if name in wanted:
            terms[name] = _list(rest)
    for number, name in ids:
        if name not in terms:
            raise InputError(
                f"{ids_path}, line {number}: {name!r} has no line in {words_path}; "
                "want one WordNet id of that file a line"
            )
    labels = [Label(name, terms[name], seen, label_set) for _, name in ids]
    return _without_doubles(labels, ids_path)


def read_folder_split(split_path: str, folder: str, label_set: str) -> list[Label]:
    """Labels that are the folders of `folder`, in the order of their names.

    Args:
        split_path: JSON with, all of them optional: `terms` (folder -> list of terms; default:
            its name with spaces for underscores), `same` (folder -> the folder whose label
            it shares, as an alias), `left_out` (list of folders), `unseen` (list of labels).
        folder: the folder of folders of photos.
        label_set: name of the set.

    Raises:
        InputError: a file is missing or of another shape, or names a label that has no folder.
    """
    split = _read_split(split_path)
    if not Path(folder).is_dir():
        raise InputError(f"no folder {folder}; want one with a folder of photos for each label")
    same, left_out = split["same"], set(split["left_out"])
    names = sorted(p.name for p in Path(folder).iterdir() if p.is_dir() and p.name not in left_out)
    labels = [name for name in names if name not in same]
    for key, named in (("unseen", split["unseen"]), ("same", same.values())):
        strangers = sorted(set(named) - set(labels))
        if strangers:
            raise InputError(
                f"{split_path}: {key!r} names {strangers}, which are no labels: want names of "
                f"folders of {folder} that are neither left_out nor the same as another"
            )
    unseen = set(split["unseen"])
    return [
        Label(
            label=name,
            terms=tuple(split["terms"].get(name, [_spoken(name)])),
            seen=name not in unseen,
            label_set=label_set,
            aliases=tuple(alias for alias in names if same.get(alias) == name),
        )
        for name in labels
    ]


def term_tokens(term: str) -> tuple[str, ...]:
    """The words of a term as a corpus has them, numbers too: "boeing 747" is not "boeing".

    What stands in brackets explains the term and is no part of it: "drake (duck)" is "drake".
    """
    return tuple(words(name_of(term), numbers=True))


def phrases(labels: Iterable[Label]) -> list[tuple[str, ...]]:
    """The words of each term of two words and more, sorted, each once: what to join in a corpus."""
    found = {term_tokens(term) for label in labels for term in label.terms}
    return sorted(tokens for tokens in found if len(tokens) > 1)


def name_of(term: str) -> str:
    """A term without what stands in brackets, if a word is left then."""
    bare = _IN_BRACKETS.sub("", term).strip()
    return bare if words(bare, numbers=True) else term


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _list(field: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in field.split(",") if part.strip())


def _without_doubles(labels: list[Label], path: str) -> list[Label]:
    known: set[str] = set()
    for label in labels:
        for name in (label.label, *label.aliases):
            if name in known:
                raise InputError(f"{path}: {name!r} comes twice among labels and aliases")
            known.add(name)
    if not labels:
        raise InputError(f"{path}: no label in it, want at least one")
    return labels


def _read_split(path: str) -> dict[str, Any]:
    text = "\n".join(line for _, line in numbered_lines(path, "a split of folders (JSON)"))
    try:
        split = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: want JSON ({error})") from None
    wanted: dict[str, type] = {"same": dict, "terms": dict, "left_out": list, "unseen": list}
    if not isinstance(split, dict):
        raise InputError(f"{path}: want a JSON object with {', '.join(wanted)}")
    for key, kind in wanted.items():
        if not isinstance(split.setdefault(key, kind()), kind):
            raise InputError(f"{path}: {key!r} is {split[key]!r}, want a {kind.__name__}")
    for folder, terms in split["terms"].items():
        if not isinstance(terms, list) or not terms:
            raise InputError(f"{path}: the terms of {folder!r} are {terms!r}, want a list of terms")
    return split
