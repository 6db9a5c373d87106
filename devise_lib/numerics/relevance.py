"""Measures of a ranked list whose items are relevant or not.

Sources: Manning et al., "Introduction to Information Retrieval" (2008), chapter 8; Jarvelin and
Kekalainen, "Cumulated Gain-Based Evaluation of IR Techniques" (2002), with the gains 2^g - 1 of
Burges et al., "Learning to Rank Using Gradient Descent" (2005).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray


@dataclass(frozen=True)
class Ranked:
    """How good ranked lists are; each measure has a number per list, (q,).

    Attributes:
        precision: the share of the first k that is relevant.
        recall: the share of the relevant items that is among the first k.
        average_precision: AP@k, the mean precision at the places of relevant items, of which at
            most k can be among the first k.
        ndcg: the discounted cumulative gain of the first k, divided by that of the best order.
        reciprocal_rank: one divided by the rank of the first relevant item; 0 if none is among the
            first k.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    ndcg: NDArray[np.float64]
    reciprocal_rank: NDArray[np.float64]


def rank_measures(
    gains: FloatArray, relevant: NDArray[np.integer[Any]], best: FloatArray
) -> Ranked:
    """Measures the first k items of q lists.

    Args:
        gains: (q, k), how relevant each item is, in [0, inf); 0 is not relevant.
        relevant: (q,), the number of relevant items that could be found, at least 1.
        best: (q, k), the gains in the best order of all items, falling.

    Raises:
        ValueError: the shapes do not agree, or a list has nothing relevant.
    """
    if gains.ndim != 2 or best.shape != gains.shape or relevant.shape != gains.shape[:1]:
        raise ValueError(
            f"want gains and best gains (q, k), and relevant (q,); got {gains.shape}, "
            f"{best.shape}, {relevant.shape}"
        )
    if len(relevant) and relevant.min() < 1:
        raise ValueError("want something relevant for each list; one has nothing")
    k = gains.shape[1]
    places = np.arange(1, k + 1)
    hit = gains > 0
    hits = hit.cumsum(axis=1)
    precisions = np.where(hit, hits / places, 0.0)
    first = np.where(hit, 1.0 / places, 0.0).max(axis=1, initial=0.0)
    discount = np.log2(places + 1)
    gained = ((2.0**gains - 1) / discount).sum(axis=1)
    possible = ((2.0**best - 1) / discount).sum(axis=1)
    return Ranked(
        hit.sum(axis=1) / k,
        hit.sum(axis=1) / relevant,
        precisions.sum(axis=1) / np.minimum(relevant, k),
        gained / possible,
        first,
    )


def chance_ndcg(gains: FloatArray, k: int) -> NDArray[np.float64]:
    """Returns the mean NDCG@k of all orders of the items of each list, (q,).

    Each place has the mean gain of all items, because every item is as often there as another.

    Args:
        gains: (q, n), of all items of each list, in [0, inf); one of each list is above 0.
        k: the length of the lists, from 1 to n.

    Raises:
        ValueError: k is out of range, or a list has nothing relevant.
    """
    if gains.ndim != 2 or not 1 <= k <= gains.shape[1] or not (gains > 0).any(axis=1).all():
        raise ValueError(
            f"want gains (q, n) with something relevant for each list, and k in [1, n]; got "
            f"{gains.shape}, k {k}"
        )
    discount = 1 / np.log2(np.arange(2, k + 2))
    value = 2.0**gains - 1
    best = -np.sort(-value, axis=1)[:, :k]
    return np.asarray(value.mean(axis=1) * discount.sum() / (best @ discount))


def area_under_curve(scores: FloatArray, positive: NDArray[np.bool_]) -> float:
    """Returns the probability that a positive item has a greater score than a negative one.

    Equal scores count one half. This is the area under the ROC curve (Mann-Whitney U).

    Args:
        scores: (n,).
        positive: (n,).

    Raises:
        ValueError: there are not both kinds of items.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        raise ValueError(
            f"want both kinds of items; got {positives} positive, {negatives} negative"
        )
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = counts.cumsum() - (counts - 1) / 2  # the mean rank of equal scores, from 1 on
    ranks = middle[place][positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
