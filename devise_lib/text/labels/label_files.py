"""Labels: read label sets, and the words of their terms."""

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
        names = _list(terms) or (spoken(name),)
        labels.append(Label(name, names, split == "seen", label_set, _list(aliases)))
    return without_doubles(labels, path)


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
    return without_doubles(labels, ids_path)


def spoken(name: str) -> str:
    """A class's name as a term: "snow leopard" for snow_leopard, and for AWA2's snow+leopard."""
    return name.replace("_", " ").replace("+", " ")


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


def without_doubles(labels: list[Label], path: str) -> list[Label]:
    """The labels, if each id and alias comes once and there is one at all.

    Raises:
        InputError: names what comes twice, and `path`, the file of the labels.
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
