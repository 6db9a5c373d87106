"""How well an index fits the photos that were added after it was trained.

| figure | meaning |
|---|---|
| added_share | rows of delta segments, of all rows |
| removed_share | rows that are removed but still in the lists, of all rows |
| imbalance | how unequal the lists of all segments are together; 1 if all are equal |
| imbalance_ratio | the same, relative to the base |
| residual_ratio | mean of 1 - cosine of vectors and centroids, of the delta relative to the base |
| fresh_recall | recall of the promised settings for photos of the delta, against all lists |
"""

from collections.abc import Mapping

import numpy as np

from devise_lib.index.manifest import Manifest
from devise_lib.index.reader import SearchIndex
from devise_lib.numerics.retrieval import drop_self_matches, recall_by_score
from devise_lib.numerics.vectors import FloatArray

MAX_DELTAS = 8  # more of them slow a search, because each is searched apart
MAX_REMOVED = 0.1
MAX_IMBALANCE, MAX_RESIDUAL = 1.5, 1.1
MAX_LOSS = 0.02  # of recall


def measure_drift(
    index: SearchIndex, photo_ids: list[str], queries: FloatArray, k: int
) -> dict[str, float]:
    """Returns the figures of an index whose last segment is new.

    Args:
        index: open.
        photo_ids: (q,), of some photos of the last segment.
        queries: (q, d), their vectors.
        k: the number of results that recall counts, at least 1.
    """
    manifest = index.manifest
    base, last = manifest.segments[0], manifest.segments[-1]
    listed = sum(segment.listed for segment in manifest.segments)
    drift = {
        "added_share": 1 - base.rows / manifest.rows,
        "removed_share": (listed - manifest.n) / manifest.rows,
        "imbalance": index.imbalance(),
        "residual_ratio": last.residual / base.residual if base.residual else 1.0,
    }
    drift["imbalance_ratio"] = drift["imbalance"] / base.imbalance
    k = min(k, manifest.n - 1)
    if len(queries) and k:
        rows = (index.row_of(name) for name in photo_ids)
        own = np.array([-1 if row is None else row for row in rows])
        found, exact = (
            drop_self_matches(each.rows, each.scores, own)[1]
            for each in (index.search(queries, k + 1), index.search_all(queries, k + 1))
        )
        drift["fresh_recall"] = recall_by_score(found, exact)
    return drift


def advice(manifest: Manifest, drift: Mapping[str, float]) -> str:
    """Returns what to do about the drift of an index, in a sentence; "" if it fits."""
    wanted = manifest.recall_target or manifest.point.recall
    reasons = []
    if drift.get("fresh_recall", 1.0) < wanted - MAX_LOSS:
        reasons.append(f"fresh photos have recall {drift['fresh_recall']:.3f}, {wanted} is wanted")
    if drift["imbalance_ratio"] > MAX_IMBALANCE:
        reasons.append(f"the lists are {drift['imbalance_ratio']:.1f} times as unequal")
    if drift["residual_ratio"] > MAX_RESIDUAL:
        reasons.append(
            f"fresh photos lie {drift['residual_ratio']:.2f} times as far from centroids"
        )
    if reasons:
        return f"train anew (build_index.mode = rebuild): {', '.join(reasons)}"
    deltas = len(manifest.segments) - 1
    if deltas > MAX_DELTAS or drift["removed_share"] > MAX_REMOVED:
        return (
            f"fold {deltas} deltas and {drift['removed_share']:.0%} removed rows "
            "(build_index.mode = compact)"
        )
    return ""
