"""Chooses a word vector for each label.

Source: Frome et al., DeViSE, NIPS 2013, appendix A.2: the target of a synset is the vector of its
first term as one token. The fallbacks are this project's own, and every vector names the one that
it took.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.text.labels.label_files import Label, name_of, term_tokens
from devise_lib.text.tokens import lower_case, words

Lookup = Mapping[str, NDArray[np.float32]] | Callable[[str], NDArray[np.float32] | None]
Coverage = Literal["exact", "synonym", "averaged", "missing", "attributes"]

# Words without a meaning of their own ("bird of prey"); left out of averages.
_FUNCTION_WORDS = frozenset(
    ["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"]
)


@dataclass(frozen=True, slots=True)
class LabelVector:
    """The vector of a label.

    Attributes:
        term: the term that gave the vector.
        vector: (d_word,), unit L2 norm; None if coverage is "missing".
        coverage: how the vector was found.
    """

    term: str | None
    vector: NDArray[np.float32] | None
    coverage: Coverage


def spellings(term: str) -> list[str]:
    """Returns the tokens that a vocabulary may have for a whole term, in the order of the search.

    1. As in this project's corpora: lower case, words joined by _ (sea_lion, dalmatian).
    2. As written, with _ for spaces (sea-lion, German_shepherd), as in the phrases of GoogleNews.
    3. The second in lower case (st._bernard), because other tools' tokenizers keep hyphens and full
       stops.
    4. Its words in lower case, joined by - (sea-lion for "sea lion").

    Nothing is stemmed: "leopards" is another token than "leopard".
    """
    tokens = term_tokens(term)
    if not tokens:
        return []
    written = "_".join(name_of(term).split())
    return list(dict.fromkeys(["_".join(tokens), written, lower_case(written), "-".join(tokens)]))


def candidate_tokens(label: Label) -> list[str]:
    """Returns every token that `choose_vector` may look up, without duplicates."""
    found: dict[str, None] = {}
    for term in label.terms:
        found.update(dict.fromkeys(spellings(term)))
        for word in _content_words(term):
            found.update(dict.fromkeys(word))
    return list(found)


def choose_vector(label: Label, lookup: Lookup) -> LabelVector:
    """Chooses the vector of a label. `coverage` tells how it was found:

    - exact: the first term is in the vocabulary as one token, in any of its `spellings`.
    - synonym: a later term is.
    - averaged: the mean of the unit vectors of a term's content words (in lower case, else as
      written). The term is the first that has any in the vocabulary.
    - missing: no term has any.

    A vector of length 0 counts as missing.

    Args:
        label: the label.
        lookup: maps a token to its vector (d_word,): a mapping, or a function that returns None for
            tokens outside the vocabulary.
    """
    for place, term in enumerate(label.terms):
        vector = _first_vector(spellings(term), lookup)
        if vector is not None:
            return LabelVector(term, vector, "exact" if place == 0 else "synonym")
    for term in label.terms:
        found = [_first_vector(word, lookup) for word in _content_words(term)]
        vectors = [vector for vector in found if vector is not None]
        mean = _unit(np.mean(vectors, axis=0)) if vectors else None
        if mean is not None:
            return LabelVector(term, mean, "averaged")
    return LabelVector(None, None, "missing")


def _content_words(term: str) -> list[tuple[str, str]]:
    """Returns each content word of a term in lower case and as written; all words if none has
    content.
    """
    written = words(name_of(term), lower=False, numbers=True)
    pairs = list(zip(term_tokens(term), written, strict=True))
    return [pair for pair in pairs if pair[0] not in _FUNCTION_WORDS] or pairs


def _first_vector(tokens: Iterable[str], lookup: Lookup) -> NDArray[np.float32] | None:
    found = (_unit_vector(token, lookup) for token in tokens)
    return next((vector for vector in found if vector is not None), None)


def _unit_vector(token: str, lookup: Lookup) -> NDArray[np.float32] | None:
    vector = lookup.get(token) if isinstance(lookup, Mapping) else lookup(token)
    return None if vector is None else _unit(vector)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32] | None:
    [unit] = l2_normalize(np.asarray(vector, dtype=np.float32)[None])
    return unit if unit.any() else None
