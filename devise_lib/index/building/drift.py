"""How well an index fits the photos that were added after it was trained, and what is due.

| figure | meaning |
|---|---|
| added_share | rows of delta segments, of all rows |
| removed_share | rows that are removed but still in the lists, of all rows |
| imbalance | how unequal the lists of all segments are together; 1 if all are equal |
| imbalance_ratio | the same, relative to the base |
| residual_ratio | mean of 1 - cosine of vectors and centroids: what was added over the base |
| fresh_recall | recall of the promised settings for new photos, against WIDER times the lists |
| fresh_recall_high | the upper end of its 95 % confidence interval |

Fewer than ENOUGH new photos say nothing of their recall and residual: one photo may be odd.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from devise_lib.index.building.meter import mean_and_half_width, slices_within
from devise_lib.index.manifest import Manifest, Segment
from devise_lib.index.reader import SearchIndex
from devise_lib.index.settings import SearchSettings
from devise_lib.numerics.retrieval import drop_self_matches, recalls_by_score
from devise_lib.numerics.vectors import FloatArray

WIDER = 16  # all lists would mean to read the whole index at each update
OF_FRESH = ("fresh_recall", "fresh_recall_high")  # stay until new photos are measured
ENOUGH = 50  # photos, at least
MAX_DELTAS = 8  # more of them slow a search, because each is searched apart
MAX_REMOVED = 0.1
MAX_IMBALANCE, MAX_RESIDUAL = 1.5, 1.1
MAX_LOSS = 0.02  # of recall


@dataclass(frozen=True)
class Due:
    """What is to be done about the drift of an index.

    Attributes:
        mode: of build_index; "" if the index fits.
        reason: why, in words.
    """

    mode: Literal["", "rebuild", "compact"]
    reason: str


def measure_drift(
    index: SearchIndex,
    photo_ids: list[str],
    queries: FloatArray,
    k: int,
    max_mapped: float = math.inf,
) -> dict[str, float]:
    """Returns the figures of an index.

    Args:
        index: open; nobody else searches it meanwhile.
        photo_ids: (q,), of some photos of the last segment, if it is new.
        queries: (q, d), their vectors.
        k: the number of results that recall counts, at least 1.
        max_mapped: the bytes of the index that may be in memory at once.
    """
    manifest = index.manifest
    base = manifest.segments[0]
    listed = sum(segment.listed for segment in manifest.segments)
    drift = {
        "added_share": 1 - base.rows / manifest.rows,
        "removed_share": (listed - manifest.n) / manifest.rows,
        "imbalance": index.imbalance(),
        "residual_ratio": _residual_ratio(manifest.segments),
    }
    drift["imbalance_ratio"] = drift["imbalance"] / base.imbalance
    k = min(k, manifest.n - 1)
    if len(queries) >= ENOUGH and k:
        rows = (index.row_of(name) for name in photo_ids)
        own = np.array([-1 if row is None else row for row in rows])
        wider = _wider(manifest.settings, manifest.nlist)
        each = listed * manifest.bytes_per_vector * wider.nprobe / manifest.nlist
        recalls = []
        for some in slices_within(len(queries), each, max_mapped, index.reopen):
            found, wanted = (
                drop_self_matches(got.rows, got.scores, own[some])[1]
                for got in (
                    index.search(queries[some], k + 1),
                    index.search(queries[some], k + 1, wider),
                )
            )
            recalls.append(recalls_by_score(found, wanted))
        mean, half = mean_and_half_width(np.concatenate(recalls))
        drift |= {"fresh_recall": mean, "fresh_recall_high": min(mean + half, 1.0)}
    return drift


def what_is_due(manifest: Manifest, drift: Mapping[str, float]) -> Due:
    """Returns what to do about the drift of an index: training pays before folding does."""
    wanted = manifest.recall_target or manifest.point.recall
    reasons = []
    if drift.get("fresh_recall_high", 1.0) < wanted - MAX_LOSS:  # not by chance
        reasons.append(f"fresh photos have recall {drift['fresh_recall']:.3f}, {wanted} is wanted")
    if drift["imbalance_ratio"] > MAX_IMBALANCE:
        reasons.append(f"the lists are {drift['imbalance_ratio']:.1f} times as unequal")
    if drift["residual_ratio"] > MAX_RESIDUAL:
        reasons.append(
            f"fresh photos lie {drift['residual_ratio']:.2f} times as far from centroids"
        )
    if reasons:
        return Due("rebuild", ", ".join(reasons))
    deltas = len(manifest.segments) - 1
    if deltas > MAX_DELTAS or drift["removed_share"] > MAX_REMOVED:
        removed = drift["removed_share"]
        return Due("compact", f"it has {deltas} deltas and {removed:.0%} removed rows")
    return Due("", "")


def _residual_ratio(segments: Sequence[Segment]) -> float:
    """Returns the mean residual of what was added since the training, over that of the training."""
    parts = [
        (stop - start, residual)
        for segment in segments
        for (start, stop), residual in zip(segment.ranges, segment.residuals, strict=True)
    ]
    (_, trained), *later = parts
    rows = sum(count for count, _ in later)
    if rows < ENOUGH or not trained:
        return 1.0
    return sum(count * residual for count, residual in later) / rows / trained


def _wider(settings: SearchSettings, nlist: int) -> SearchSettings:
    """Returns settings that look into more lists, and rank more results anew."""
    nprobe = min(WIDER * settings.nprobe, nlist)
    ef_search = max(settings.ef_search, 2 * nprobe) if settings.ef_search else 0
    return replace(settings, nprobe=nprobe, ef_search=ef_search, k_factor=4 * settings.k_factor)
