"""The results of searches."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Found:
    """The results of queries, the best first.

    Attributes:
        rows: (q, k), of the bundle; -1 where fewer photos are found.
        scores: (q, k), cosines; -inf where fewer photos are found.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


def nothing(queries: int, k: int) -> Found:
    """Returns results of searches that find no photo, (queries, k)."""
    rows = np.full((queries, k), -1, np.int64)
    return Found(rows, np.full((queries, k), -np.inf, np.float32))


def padded(found: Found, k: int) -> Found:
    """Returns results of k columns; -1 and -inf where fewer are found."""
    missing = k - found.rows.shape[1]
    if not missing:
        return found
    whole = nothing(len(found.rows), k)
    whole.rows[:, :-missing], whole.scores[:, :-missing] = found.rows, found.scores
    return whole
