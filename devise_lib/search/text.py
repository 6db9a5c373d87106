"""Embeds a text in the space of words, so that photos can be searched by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import FloatArray
from devise_lib.search.weighted_query import WeightedQuery

LONGEST_PHRASE = 5  # words that may be joined to one term
UNWANTED_WEIGHT = 0.5  # of the mean of unwanted terms, beside 1 for that of the text's


@dataclass(frozen=True, slots=True)
class TextVector:
    """The embedding of a text.

    Attributes:
        query: the weighted sum of the vectors of `terms`.
        terms: the words and phrases, those that are not wanted last; the words of a phrase are
            joined by _.
        unknown: words without a vector, which were ignored.
    """

    query: WeightedQuery
    terms: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The terms, with "not" before those that are not wanted."""
        pairs = zip(self.terms, self.query.weights.tolist(), strict=True)
        return [term if weight > 0 else f"not {term}" for term, weight in pairs]

    @property
    def vector(self) -> NDArray[np.float32]:
        """(d_word,), unit L2 norm."""
        return self.query.vector


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


def embed_text(
    words: Sequence[str],
    vectors: Mapping[str, FloatArray],
    without: Sequence[str] = (),
    negative_weight: float = UNWANTED_WEIGHT,
) -> TextVector:
    """Returns the mean of the unit vectors of a text's terms, scaled to unit length.

    From left to right, the longest phrase that has a vector is one term. Thus "snow leopard cub" is
    snow_leopard and cub if snow_leopard is known, else three words. A vector of zeros counts as
    unknown. A part of the mean of unwanted terms is subtracted.

    Args:
        words: the text's words, as `devise_lib.text.tokens.words` returns them.
        vectors: term -> word vector (d_word,), of any length.
        without: words that are not wanted.
        negative_weight: of the mean of the unwanted terms, beside 1 for the text's.

    Raises:
        InputError: none of the words is known (the message names them), or their vectors cancel
            out.
    """
    terms, unknown = _split(words, vectors)
    if not terms:
        raise InputError(
            f"no word of the text has a vector: {', '.join(unknown) or 'it has no words'}; "
            "want words that the word vectors were trained on"
        )
    unwanted, also_unknown = _split(without, vectors)
    every = (*terms, *unwanted)
    signs = ((1.0, terms), (-negative_weight, unwanted))
    weights = np.array([sign / len(part) for sign, part in signs for _ in part])
    try:
        query = WeightedQuery.of(np.stack([vectors[term] for term in every]), weights)
    except InputError as error:
        message = f"the vectors of {', '.join(every)} cancel out: give fewer words"
        raise InputError(message) from error
    return TextVector(query, every, (*unknown, *also_unknown))


def _split(words: Sequence[str], vectors: Mapping[str, FloatArray]) -> tuple[list[str], list[str]]:
    """Returns the terms of a text, and its words without a vector."""
    known = {term for term in candidate_terms(words) if np.any(vectors.get(term, 0))}
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
    return terms, unknown
