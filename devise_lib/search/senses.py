"""Tells which sense of a word, or which translation, a context means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import FloatArray, l2_normalize
from devise_lib.search.spherical_kmeans import spherical_kmeans


@dataclass(frozen=True)
class Sense:
    """A sense of a word.

    Attributes:
        terms: that are used like the word in this sense, the nearest first.
        vector: (d,), unit L2 norm: the mean of their vectors.
    """

    terms: tuple[str, ...]
    vector: NDArray[np.float32]


def find_senses(
    vector: FloatArray, terms: Sequence[str], neighbours: FloatArray, most: int, seed: int = 0
) -> list[Sense]:
    """Groups the terms that are near to a word into its senses, the largest group first.

    What all of them have in common with the word tells no sense. So they are grouped by what
    remains of their vectors without the word's direction.

    Args:
        vector: (d,), the unit vector of the word.
        terms: of the neighbours, the nearest first.
        neighbours: (n, d), their unit vectors; at least one.
        most: the number of senses, at most.
        seed: of the grouping.

    Raises:
        InputError: there is no neighbour, or `most` is below 1.
    """
    if not len(terms) or neighbours.shape[:1] != (len(terms),) or most < 1:
        raise InputError(
            f"want terms, a vector for each, and most >= 1; got {len(terms)} terms, vectors "
            f"{neighbours.shape}, {most}"
        )
    points = neighbours.astype(np.float64)
    rest = points - (points @ vector)[:, None] * vector
    _, numbers = spherical_kmeans(l2_normalize(rest), most, seed)
    senses = []
    for number in range(int(numbers.max()) + 1):
        mine = np.flatnonzero(numbers == number)
        mean = l2_normalize(points[mine].mean(axis=0, keepdims=True))[0]
        senses.append(Sense(tuple(terms[each] for each in mine), mean.astype(np.float32)))
    return sorted(senses, key=lambda sense: -len(sense.terms))


def choose(candidates: FloatArray, context: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Returns the candidates in the order in which a context means them, and their cosines.

    Args:
        candidates: (c, d), unit L2 norm: of senses, or of translations.
        context: (m, d), unit L2 norm: of words beside it, or of photos; their mean counts.

    Returns:
        (c,) positions of candidates, the best first; and (c,) the cosines in this order.

    Raises:
        InputError: there is no candidate or no context, or they have other lengths.
    """
    if not len(candidates) or not len(context) or candidates.shape[1:] != context.shape[1:]:
        raise InputError(
            f"want candidates (c, d) and a context (m, d); got {candidates.shape}, {context.shape}"
        )
    mean = l2_normalize(context.astype(np.float64).mean(axis=0, keepdims=True))[0]
    cosines = candidates.astype(np.float64) @ mean
    order = np.argsort(-cosines, kind="stable")
    return order, cosines[order]
