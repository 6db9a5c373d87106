"""Hubs: labels that come near to many photos whatever these show; how many, and CSLS against them.

Sources: Radovanovic et al., "Hubs in Space" (2010); Conneau et al., "Word Translation Without
Parallel Data" (2018), section 2.3 (CSLS).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray


@dataclass(frozen=True)
class Hubness:
    """How unevenly labels come among the first k of a number of queries.

    Attributes:
        skewness: of the occurrences N_k; 0 where they are symmetric about their mean.
        antihub_share: of the labels that no query has among its first k.
        hub_occurrence: share of all occurrences that labels with at least 2k of them take.
        robin_hood: share of the occurrences that would have to move to make all labels equal.
    """

    skewness: float
    antihub_share: float
    hub_occurrence: float
    robin_hood: float


def hubness(occurrences: NDArray[np.integer[Any]], k: int) -> Hubness:
    """Of N_k (m,): the number of queries that have each of m labels among their first k.

    Raises:
        ValueError: there is no occurrence at all.
    """
    counts = occurrences.astype(np.float64)
    if not counts.sum() > 0:
        raise ValueError(f"want some occurrences, got {occurrences!r}")
    apart = counts - counts.mean()
    deviation = counts.std()
    skewness = float(np.mean(apart**3) / deviation**3) if deviation else 0.0
    return Hubness(
        skewness,
        float(np.mean(counts == 0)),
        float(counts[counts >= 2 * k].sum() / counts.sum()),
        float(np.abs(apart).sum() / 2 / counts.sum()),
    )


def mean_of_nearest(blocks: Iterable[FloatArray], k: int) -> NDArray[np.float64]:
    """Each label's mean score with the k queries of a bank that score best with it: r_S of CSLS.

    Args:
        blocks: scores (b, m) of some queries of the bank with all labels; at least one row.
        k: 10 in the paper; all queries of a smaller bank.

    Returns:
        (m,)
    """
    best: FloatArray | None = None
    for block in blocks:
        joined = block if best is None else np.concatenate([best, block])
        cut = max(0, len(joined) - k)
        best = np.partition(joined, cut, axis=0)[cut:] if cut else joined
    if best is None or not len(best):
        raise ValueError("want a bank of at least one query")
    return np.asarray(best.mean(axis=0, dtype=np.float64))


def csls(scores: FloatArray, label_means: FloatArray) -> FloatArray:
    """2 s(x, y) - r_S(y), (n, m): a label loses what it scores with its nearest queries anyway.

    The term r_T(x) of the paper is left out: it shifts all scores of a query alike.

    Args:
        scores: (n, m) cosines of queries and labels.
        label_means: (m,) of `mean_of_nearest`, from a bank that must not be the queries tested,
            or the method would know more of the test than one photo.
    """
    return 2.0 * scores - label_means
