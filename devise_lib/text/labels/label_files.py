"""Reads label sets, and splits the terms of labels into words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from devise_lib.errors import InputError
from devise_lib.text.lines import numbered_lines
from devise_lib.text.tokens import words

_TABLE_HEADER = ["label", "terms", "split", "aliases"]
_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")


@dataclass(frozen=True, slots=True)
class Label:
    """A class of photos.

    Attributes:
        label: its id in the photos' table, such as a WordNet id or the name of a folder.
        terms: names in natural language, the best first; never empty.
        seen: whether photos of it may be trained on.
        label_set: the name of its set.
        aliases: further ids for photos of this label.
    """

    label: str
    terms: tuple[str, ...]
    seen: bool
    label_set: str
    aliases: tuple[str, ...] = ()


def read_label_table(path: str, label_set: str) -> list[Label]:
    """Reads labels from a tab-separated file with the header `label terms split aliases`.

    `terms` and `aliases` are separated by commas, and `split` is `seen` or `unseen`. If `terms` is
    empty, the term is the label's own name with spaces for underscores.

    Args:
        path: of the file.
        label_set: the name of the set.

    Raises:
        InputError: the file, its header or a line is not of this form, or a label comes twice.
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
        names = _list(terms) or (to_term(name),)
        labels.append(Label(name, names, split == "seen", label_set, _list(aliases)))
    return require_unique(labels, path)


def read_imagenet(words_path: str, ids_path: str, label_set: str, seen: bool = True) -> list[Label]:
    """Reads labels that are WordNet ids, in the order of the list of ids.

    Args:
        words_path: a file with lines of WordNet id, tab, terms separated by commas.
        ids_path: a file with one WordNet id per line, which are the synsets to take.
        label_set: the name of the set.
        seen: whether photos of them may be trained on.

    Raises:
        InputError: a file is missing, a line is not of this form, or an id has no terms.
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
                "want one WordNet id of that file per line"
            )
    labels = [Label(name, terms[name], seen, label_set) for _, name in ids]
    return require_unique(labels, ids_path)


def to_term(name: str) -> str:
    """Converts a class's name to a term: "snow leopard" for snow_leopard or AWA2's snow+leopard."""
    return name.replace("_", " ").replace("+", " ")


def term_tokens(term: str) -> tuple[str, ...]:
    """Returns the words of a term as a corpus has them, with numbers: "boeing 747" is not "boeing".

    Text in brackets explains the term and is left out: "drake (duck)" gives "drake".
    """
    return tuple(words(name_of(term), numbers=True))


def phrases(labels: Iterable[Label]) -> list[tuple[str, ...]]:
    """Returns the words of each term of two words or more, sorted and without duplicates.

    These are the phrases that a corpus has to join to single tokens.
    """
    found = {term_tokens(term) for label in labels for term in label.terms}
    return sorted(tokens for tokens in found if len(tokens) > 1)


def name_of(term: str) -> str:
    """Removes text in brackets from a term, if a word remains then."""
    bare = _IN_BRACKETS.sub("", term).strip()
    return bare if words(bare, numbers=True) else term


def require_unique(labels: list[Label], path: str) -> list[Label]:
    """Returns the labels if there is at least one, and each id and alias occurs once.

    Raises:
        InputError: an id or alias comes twice, or there is no label; names `path`, the labels'
            file.
    """
    known: set[str] = set()
    for label in labels:
        for name in (label.label, *label.aliases):
            if name in known:
                raise InputError(f"{path}: {name!r} comes twice among labels and aliases")
            known.add(name)
    if not labels:
        raise InputError(f"{path}: no label in it, want at least one")
    return labels


def _list(field: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in field.split(",") if part.strip())
