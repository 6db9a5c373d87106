"""Compares vectors that share a range of codes, by compact copies, and keeps the best of each.

The copies are whole numbers of one byte. Their products find the candidates; whoever wants exact
cosines computes these for the few that are kept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

LEVELS = 127  # the largest number of a compact copy
QUERIES_AT_ONCE = 1_024  # whose scores with all candidates are in memory


def compact(vectors: FloatArray) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Returns copies (n, d) of one byte per number, and the scale (n,) of each row.

    A number is about scale times its copy; it is wrong by half of the scale at most.
    """
    scales = np.abs(vectors).max(axis=1, initial=0.0) / LEVELS
    safe = np.where(scales > 0, scales, 1.0)
    return np.rint(vectors / safe[:, None]).astype(np.int8), scales.astype(np.float32)


def mixed(keys: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Returns a random-looking number for each key, the same one in every process.

    Source: G. Steele, D. Lea and C. Flood, Fast splittable pseudorandom number generators, OOPSLA
    2014, the finaliser of SplitMix64.
    """
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


@dataclass(frozen=True, eq=False)
class Members:
    """Vectors of one range, as queries or as candidates.

    Attributes:
        keys: (n,), which tell the vectors; a query is not its own candidate.
        copies: (n, d), compact copies.
        scales: (n,), of the copies.
    """

    keys: NDArray[np.int64]
    copies: NDArray[np.int8]
    scales: NDArray[np.float32]

    def take(self, places: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> "Members":
        """Returns some of them."""
        return Members(self.keys[places], self.copies[places], self.scales[places])

    def sample(self, most: int, seed: int) -> "Members":
        """Returns at most `most` of them: those whose mixed keys are the smallest.

        The order of the vectors does not matter, nor what else is compared.
        """
        if len(self.keys) <= most:
            return self
        order = np.lexsort((self.keys, mixed(self.keys, seed)))[:most]
        return self.take(np.sort(order))


def nearest(
    queries: Members, candidates: Members, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Returns the k best candidates of each query, by the products of the compact copies.

    Candidates of equal scores are taken by their keys.

    Returns:
        (p,) the place of the query, rising; (p,) the key of a candidate; (p,) its score.
    """
    if not len(queries.keys) or not len(candidates.keys):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    candidates = candidates.take(np.argsort(candidates.keys, kind="stable"))
    # Products and sums of these whole numbers are exact in float32 up to 1,040 numbers.
    others = candidates.copies.T.astype(np.float32)
    places, keys, scores = [], [], []
    for start in range(0, len(queries.keys), QUERIES_AT_ONCE):
        part = queries.take(np.arange(start, min(start + QUERIES_AT_ONCE, len(queries.keys))))
        products = part.copies.astype(np.float32) @ others
        products *= candidates.scales
        products *= part.scales[:, None]
        own = part.keys[:, None] == candidates.keys
        products[own] = -np.inf
        width = min(k, products.shape[1])
        # All that tie at the k-th place compete.
        bound = np.partition(products, -width, axis=1)[:, -width, None]
        rows, columns = np.nonzero((products >= bound) & ~own)
        ranked = np.lexsort((columns, -products[rows, columns], rows))
        rows, columns = rows[ranked], columns[ranked]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        rows, columns = rows[rank < k], columns[rank < k]
        places.append(rows + start)
        keys.append(candidates.keys[columns])
        scores.append(products[rows, columns])
    return np.concatenate(places), np.concatenate(keys), np.concatenate(scores)


def best_distinct(
    queries: NDArray[np.int64],
    candidates: NDArray[np.int64],
    scores: NDArray[np.float32],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Returns the k best candidates of each query from pairs that may occur several times.

    Args:
        queries, candidates: (p,), keys.
        scores: (p,); the greatest one of a pair counts.
        k: the number of candidates per query.

    Returns:
        The same three for the pairs that are kept: by query, the best first; equal scores are
        ordered by the candidate's key.
    """
    if not len(queries):
        return queries, candidates, scores
    names, query = np.unique(queries, return_inverse=True)
    keys, candidate = np.unique(candidates, return_inverse=True)
    pair = query * len(keys) + candidate  # one number to sort by, which is three times as fast
    order = np.argsort(pair)
    pair, scores = pair[order], scores[order]
    first = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]]))
    best = np.maximum.reduceat(scores, first)
    query, candidate = np.divmod(pair[first], len(keys))
    ranked = np.lexsort((-best, query))  # stable, so that equal scores stay by candidate
    query, candidate, best = query[ranked], candidate[ranked], best[ranked]
    kept = np.arange(len(query)) - np.searchsorted(query, query) < k
    return names[query[kept]], keys[candidate[kept]], best[kept]
