"""Measures that only tests need."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.retrieval import Ids


def recall_at_k(found: Ids, exact: Ids) -> float:
    """Returns the mean share of each query's exact results that were found, in [0, 1].

    Args:
        found: (q, any), ids; -1 marks a missing result.
        exact: (q, k), ids of the exact search, k >= 1.

    Raises:
        ValueError: the numbers of queries differ, or `exact` is empty.
    """
    if len(found) != len(exact) or not exact.size:
        raise ValueError(f"want found (q, any), exact (q, k); got {found.shape}, {exact.shape}")
    hits = [np.isin(wanted, got).mean() for got, wanted in zip(found, exact, strict=True)]
    return float(np.mean(hits))


def flat_hit_at_k(ranks: NDArray[np.integer[Any]], k: int) -> float:
    """Returns the share of photos whose right label is among the first k, in [0, 1].

    Do not compare results for different numbers of candidates m: chance alone reaches k / m.

    Args:
        ranks: (n,), rank of the right label, 1 for the best.
        k: length of the list.

    Raises:
        ValueError: there are no ranks, or k is below 1.
    """
    if k < 1 or not ranks.size:
        raise ValueError(f"want k >= 1 and at least one rank; got k {k}, {ranks.size} ranks")
    return float(np.mean(ranks <= k))
