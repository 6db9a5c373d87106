"""The exact results of the queries, from those of the shards."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.building.arrays import StoredArray
from devise_lib.index.building.plan import BuildPlan, finished_shards
from devise_lib.index.building.shards import EXACT_ROWS, EXACT_SCORES, OWN
from devise_lib.numerics.retrieval import drop_self_matches, merge_top_k


@dataclass(frozen=True)
class Truth:
    """The exact results of the queries.

    Attributes:
        rows, scores: (q, m), falling; a query is not among its own results. m is at least k.
        own: (q,), the row of each query; -1 for one that is not indexed.
        k: the number of results that count; less than the plan's where the index holds fewer other
            vectors.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    own: NDArray[np.int64]
    k: int


def read_truth(plan: BuildPlan) -> Truth:
    """Merges the exact results of all shards."""
    best: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    owns = []
    offset = 0
    for shard in finished_shards(plan):
        found = {end: _whole(shard.path(end)) for end in (EXACT_ROWS, EXACT_SCORES, OWN)}
        owns.append(np.where(found[OWN] >= 0, found[OWN] + offset, -1))
        here = found[EXACT_ROWS] + offset, found[EXACT_SCORES]
        best = [merge_top_k([*best, here], plan.truth_depth)]
        offset += int(shard.values["rows"])
    own = np.max(owns, axis=0)  # Each query is in one shard.
    rows, scores = drop_self_matches(*best[0], own)
    return Truth(rows, scores, own, min(plan.k, rows.shape[1]))


def _whole(path: str) -> NDArray[Any]:
    stored = StoredArray.open(path)
    return stored.rows(0, stored.shape[0])
