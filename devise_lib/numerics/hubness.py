"""Hubs: labels that are near to many photos, whatever the photos show. Measures, and CSLS.

Sources: Radovanovic et al., "Hubs in Space" (2010); Conneau et al., "Word Translation Without
Parallel Data" (2018), section 2.3 (CSLS).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

ITEMS_AT_ONCE = 8_192


@dataclass(frozen=True)
class Hubness:
    """How unevenly the labels occur among the first k of many queries.

    Attributes:
        skewness: of the occurrences N_k; 0 if they are symmetric about their mean.
        antihub_share: the share of labels that occur among the first k of no query.
        hub_occurrence: the share of all occurrences that go to labels with at least 2k of them.
        robin_hood: the share of occurrences that would have to move to make all labels equal.
    """

    skewness: float
    antihub_share: float
    hub_occurrence: float
    robin_hood: float


def hubness(occurrences: NDArray[np.integer[Any]], k: int) -> Hubness:
    """Measures hubness.

    Args:
        occurrences: N_k (m,), for each label the number of queries that have it among their first
            k.
        k: the length of the lists.

    Raises:
        ValueError: all occurrences are 0.
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
    """Returns r_S of CSLS: each label's mean score with its k best queries of a bank, (m,).

    Args:
        blocks: scores (b, m) of the bank's queries with all labels, in blocks; at least one row.
        k: 10 in the paper. A smaller bank is used as a whole.

    Raises:
        ValueError: the bank is empty.
    """
    best: FloatArray | None = None
    for block in blocks:
        joined = block if best is None else np.concatenate([best, block])
        cut = max(0, len(joined) - k)
        best = np.partition(joined, cut, axis=0)[cut:] if cut else joined
    if best is None or not len(best):
        raise ValueError("want a bank of at least one query")
    return np.asarray(best.mean(axis=0, dtype=np.float64))


def nearest_means(bank: FloatArray, items: FloatArray, k: int) -> NDArray[np.float64]:
    """Returns the mean cosine of very many items with their k nearest of a bank, (m,).

    This is r_S of CSLS, computed in blocks of items. The items may be labels and the bank photos,
    or the other way round.

    Args:
        bank: (b, d), unit L2 norm.
        items: (m, d), unit L2 norm.
        k: as in `mean_of_nearest`.

    Raises:
        ValueError: the bank is empty.
    """
    starts = range(0, max(len(items), 1), ITEMS_AT_ONCE)
    blocks = (items[start : start + ITEMS_AT_ONCE] for start in starts)
    return np.concatenate([mean_of_nearest([bank @ block.T], k) for block in blocks])


def csls(scores: FloatArray, label_means: FloatArray) -> FloatArray:
    """Returns the CSLS scores 2 s(x, y) - r_S(y), (n, m), which rank hubs lower.

    The term r_T(x) of the paper is left out because it shifts all scores of a query alike.

    Args:
        scores: (n, m), cosines of queries and labels.
        label_means: (m,), by `mean_of_nearest`. Its bank must not be the tested queries, because
            the method would then know more of the test than one photo.

    Source: Conneau et al., "Word Translation Without Parallel Data" (2018), section 2.3.
    """
    return 2.0 * scores - label_means
