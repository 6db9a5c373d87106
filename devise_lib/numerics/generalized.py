"""Generalised zero-shot learning, where seen and unseen labels compete, with calibrated stacking.

Calibrated stacking subtracts a penalty gamma from the scores of all seen labels.

Sources: Xian et al., "Zero-Shot Learning - the Good, the Bad and the Ugly" (2017), eq. 16; Chao et
al., "An Empirical Study and Analysis of Generalized Zero-Shot Learning" (2016), eq. 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

BoolArray = NDArray[np.bool_]

PLATEAU_SHARE = 0.95  # penalties that reach this share of the best harmonic mean count as equal


def harmonic_mean(seen: float, unseen: float) -> float:
    """Returns the harmonic mean of two accuracies; 0 where both are 0."""
    return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0


def per_class_means(values: FloatArray, classes: NDArray[Any]) -> tuple[NDArray[Any], FloatArray]:
    """Returns the sorted classes, and the mean of the values of each class's photos.

    Args:
        values: (n,), such as 1 for a photo whose first label is right.
        classes: (n,), of any type.
    """
    names, place = np.unique(classes, return_inverse=True)
    return names, np.bincount(place, weights=values) / np.bincount(place)


@dataclass(frozen=True)
class SeenUnseenCurve:
    """Seen and unseen accuracy as a function of the penalty gamma on the scores of seen labels.

    The curve is a step function: row i holds for gamma in [gammas[i], gammas[i + 1]).

    Attributes:
        gammas: (m,), rising; the first is -inf.
        seen, unseen: (m,), the accuracies on photos of seen labels and on photos of unseen labels.
    """

    gammas: FloatArray
    seen: FloatArray
    unseen: FloatArray

    @classmethod
    def of(cls, gammas: FloatArray, falls: FloatArray, rises: FloatArray) -> "SeenUnseenCurve":
        """Builds a curve from its steps.

        Args:
            gammas: (m,), rising. The last may be inf; its step lies beyond every penalty.
            falls, rises: (m,), by how much the seen accuracy falls and the unseen accuracy rises at
                each gamma.
        """
        end = len(gammas) - int(np.isposinf(gammas[-1]))
        seen = np.concatenate([[falls.sum()], falls.sum() - np.cumsum(falls[:end])])
        unseen = np.concatenate([[0.0], np.cumsum(rises[:end])])
        return cls(np.concatenate([[-np.inf], gammas[:end]]), np.maximum(seen, 0.0), unseen)

    def area(self) -> float:
        """Returns AUSUC, the area under seen accuracy against unseen accuracy, in [0, 1]."""
        heights = (self.seen[1:] + self.seen[:-1]) / 2.0
        return float(heights @ np.diff(self.unseen))

    def sample(self, points: int) -> tuple[FloatArray, FloatArray]:
        """Returns the seen and the unseen accuracies at no more than `points` of the curve's steps.

        The steps are spread evenly from the first to the last.
        """
        rows = np.unique(np.linspace(0, len(self.gammas) - 1, points).round().astype(np.int64))
        return self.seen[rows], self.unseen[rows]

    def at(self, gammas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns the seen and the unseen accuracies at the given penalties, each (k,) for k
        penalties.
        """
        rows = np.searchsorted(self.gammas, gammas, side="right") - 1
        return self.seen[rows], self.unseen[rows]


def best_penalty(curves: Sequence[SeenUnseenCurve]) -> tuple[float, float]:
    """Returns the penalty whose mean harmonic mean over the curves is greatest, and that mean.

    The maximum is flat, and chance decides where on it the best step lies: on real photos the best
    steps of five folds were from 0.005 to 0.07. The penalty is therefore the middle of the steps
    around the best one that reach at least PLATEAU_SHARE of its mean.
    """
    steps = np.unique(np.concatenate([curve.gammas for curve in curves]))  # the first is -inf
    means = np.mean([_harmonic_means(*curve.at(steps)) for curve in curves], axis=0)
    best = int(np.argmax(means))
    below = np.flatnonzero(means < PLATEAU_SHARE * means[best])
    first = int(np.max(below[below < best], initial=-1)) + 1
    after = int(np.min(below[below > best], initial=len(steps)))
    return _middle(steps[first], steps[after] if after < len(steps) else np.inf), float(means[best])


def _middle(first: float, last: float) -> float:
    """Returns the middle of an interval. Of one that is open to one side, it returns the other end,
    or 1 less than that where -inf is open.
    """
    if np.isinf(first) or np.isinf(last):
        return float(first if np.isfinite(first) else last - 1.0 if np.isfinite(last) else 0.0)
    return float((first + last) / 2.0)


def _harmonic_means(seen: FloatArray, unseen: FloatArray) -> FloatArray:
    total = seen + unseen
    return np.divide(2 * seen * unseen, total, out=np.zeros_like(total), where=total > 0)


def turning_points(
    scores: FloatArray, seen: BoolArray, truth: NDArray[np.integer[Any]], k: int = 1
) -> FloatArray:
    """Returns the penalty at which each photo's right label leaves or enters the first k labels.

    A seen label is among the first k while gamma is below its turning point, an unseen label from
    its turning point on. Ties count against the right label, as in `retrieval.rank_of_truth`. The
    exception is the tie at exactly the turning point.

    Args:
        scores: (n, m), greater is better.
        seen: (m,), whether gamma is subtracted from the label's scores; both kinds must occur.
        truth: (n,), the column of the right label.
        k: the length of the list, at least 1.

    Returns:
        (n,) penalties. A seen label that is never among the first k has -inf, one that always is
        has inf. An unseen label has inf and -inf in these cases.
    """
    rows = np.arange(len(truth))
    right = scores[rows, truth]
    rivals = scores.copy()
    rivals[rows, truth] = -np.inf
    own_kind = seen[None, :] == seen[truth][:, None]  # (n, m)
    # The penalty moves no rival of the label's own kind, so those ahead keep their places.
    ahead = np.count_nonzero(own_kind & (rivals >= right[:, None]), axis=1)
    width = min(k, scores.shape[1])
    others = np.partition(np.where(own_kind, np.inf, -rivals), width - 1, axis=1)[:, :width]
    others = -np.sort(others, axis=1)  # (n, width) falling: the best of the other kind
    place = k - 1 - ahead  # the best rival of the other kind that must rank below the label
    never = place < 0
    rival = others[rows, np.clip(place, 0, others.shape[1] - 1)]
    rival = np.where(place >= others.shape[1], -np.inf, rival)
    is_seen = seen[truth]
    with np.errstate(invalid="ignore"):
        turn = np.where(is_seen, right - rival, rival - right)
    return np.where(never, np.where(is_seen, -np.inf, np.inf), turn)


def seen_unseen_curve(
    turns: FloatArray, is_seen: BoolArray, classes: NDArray[Any]
) -> SeenUnseenCurve:
    """Returns the exact curve of per-class accuracies.

    Args:
        turns: (n,), the photos' `turning_points`.
        is_seen: (n,), whether the photo's right label is seen; both kinds must occur.
        classes: (n,), the photo's right label.

    Raises:
        ValueError: all photos are of one kind.
    """
    if is_seen.all() or not is_seen.any():
        raise ValueError("want photos of seen and of unseen labels, got one kind only")
    weights = np.empty(len(turns))  # of one photo in the mean over classes
    for kind in (is_seen, ~is_seen):
        _, place, counts = np.unique(classes[kind], return_inverse=True, return_counts=True)
        weights[kind] = 1.0 / counts[place] / len(counts)
    never = is_seen & np.isneginf(turns)
    gammas, step = np.unique(turns, return_inverse=True)
    falls, rises = np.zeros(len(gammas)), np.zeros(len(gammas))
    np.add.at(falls, step, np.where(is_seen & ~never, weights, 0.0))
    np.add.at(rises, step, np.where(is_seen, 0.0, weights))
    return SeenUnseenCurve.of(gammas, falls, rises)
