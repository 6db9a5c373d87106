"""Embeds a text in the space of words, so that photos can be searched by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import FloatArray, l2_normalize

LONGEST_PHRASE = 5  # words that may be joined to one term


@dataclass(frozen=True, slots=True)
class TextVector:
    """The embedding of a text.

    Attributes:
        vector: (d_word,), unit L2 norm.
        terms: the words and phrases that it is the mean of; the words of a phrase are joined by _.
        unknown: words without a vector, which were ignored.
    """

    vector: NDArray[np.float32]
    terms: tuple[str, ...]
    unknown: tuple[str, ...]


def candidate_terms(words: Sequence[str]) -> list[str]:
    """Returns every term that `embed_text` may look up, without duplicates, to fetch their
    vectors.
    """
    found = {
        "_".join(words[start:stop]): None
        for start in range(len(words))
        for stop in range(start + 1, min(start + LONGEST_PHRASE, len(words)) + 1)
    }
    return list(found)


def embed_text(words: Sequence[str], vectors: Mapping[str, FloatArray]) -> TextVector:
    """Returns the mean of the unit vectors of a text's terms, scaled to unit length.

    From left to right, the longest phrase that has a vector is one term. Thus "snow leopard cub" is
    snow_leopard and cub if snow_leopard is known, else three words. A vector of zeros counts as
    unknown.

    Args:
        words: the text's words, as `devise_lib.text.tokens.words` returns them.
        vectors: term -> word vector (d_word,), of any length.

    Raises:
        InputError: none of the words is known (the message names them), or their vectors cancel
            out.
    """
    known = {term: vectors[term] for term in candidate_terms(words) if np.any(vectors.get(term, 0))}
    terms: list[str] = []
    unknown: list[str] = []
    at = 0
    while at < len(words):
        stops = range(min(at + LONGEST_PHRASE, len(words)), at, -1)
        stop = next((stop for stop in stops if "_".join(words[at:stop]) in known), None)
        if stop is None:
            unknown.append(words[at])
        else:
            terms.append("_".join(words[at:stop]))
        at = stop or at + 1
    if not terms:
        raise InputError(
            f"no word of the text has a vector: {', '.join(unknown) or 'it has no words'}; "
            "want words that the word vectors were trained on"
        )
    rows = l2_normalize(np.stack([known[term] for term in terms]).astype(np.float64))
    mean = l2_normalize(rows.mean(axis=0, keepdims=True))[0]
    if np.linalg.norm(rows.mean(axis=0)) < 1e-6:
        raise InputError(f"the vectors of {', '.join(terms)} cancel out: give fewer words")
    return TextVector(mean.astype(np.float32), tuple(terms), tuple(unknown))
