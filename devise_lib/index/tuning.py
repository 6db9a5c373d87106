"""Chooses the search effort that reaches a recall, by measuring the recall of queries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.faiss_index import IvfIndex
from devise_lib.numerics.retrieval import drop_self_matches, recall_by_score
from devise_lib.numerics.vectors import FloatArray


@dataclass(frozen=True)
class RecallPoint:
    """The recall against exact search, in [0, 1], when `nprobe` lists are probed."""

    nprobe: int
    recall: float


def probe_steps(nlist: int) -> list[int]:
    """Returns the numbers of lists to try: 1, 2, 4, ... and nlist."""
    return [2**power for power in range((nlist - 1).bit_length())] + [nlist]


def measure_recall(
    index: IvfIndex, queries: FloatArray, own: NDArray[np.int64], exact: FloatArray
) -> list[RecallPoint]:
    """Measures the recall at each of `probe_steps`, up to the first that finds everything.

    Queries are vectors of the index. Neither search counts a query as its own result.

    Args:
        index: the whole index.
        queries: (q, d).
        own: (q,), the row of each query in the index.
        exact: (q, k), scores of the exact search without the query, k >= 1.

    Returns:
        Points with rising nprobe. The recall of the last is 1, because nlist lists are the whole
        index.
    """
    k = exact.shape[1]
    points = []
    for nprobe in probe_steps(index.nlist):
        rows, scores = index.search(queries, k + 1, nprobe)
        _, others = drop_self_matches(rows, scores, own)
        points.append(RecallPoint(nprobe, recall_by_score(others, exact)))
        if points[-1].recall == 1.0:
            break
    return points


def choose_point(curve: Sequence[RecallPoint], target: float) -> RecallPoint:
    """Returns the first point that reaches the target; the last one if none does.

    Raises:
        ValueError: the curve has no point.
    """
    if not curve:
        raise ValueError("the curve has no point")
    return next((point for point in curve if point.recall >= target), curve[-1])
