"""How good a method is at labels that it was not trained on: what settings are chosen by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.candidates import CandidateSet, Method
from devise_lib.numerics.generalized import (
    best_penalty,
    per_class_mean,
    seen_unseen_curve,
    turning_points,
)
from devise_lib.numerics.retrieval import rank_of_truth
from devise_lib.numerics.vectors import FloatArray

SCORED_KS = (1, 5)  # the lengths of the lists whose hits are averaged


@dataclass(frozen=True)
class Score:
    """Per-class hit@k on the labels held out, the mean over SCORED_KS.

    Attributes:
        alone: among the labels held out.
        harmonic: among all, the harmonic mean with the hit@k of the labels trained on, at gamma.
        gamma: the penalty on trained labels at which it is greatest.
    """

    alone: float
    harmonic: float
    gamma: float

    @property
    def value(self) -> float:
        """What is to be great: the mean of both, since users ask both questions."""
        return (self.alone + self.harmonic) / 2.0


@dataclass(frozen=True)
class Validation:
    """Photos of seen labels that methods under trial were not trained on.

    Attributes:
        features: (n, d_visual) as they come.
        truth: (n,) the place of each one's label among the candidates.
        candidates: the labels held out, whose `seen` is false here, and those trained on; there
            are photos of both.
    """

    features: NDArray[np.float32]
    truth: NDArray[np.int64]
    candidates: CandidateSet

    @property
    def held_out(self) -> set[str]:
        """The labels that play the unseen ones."""
        labels, seen = self.candidates.labels, self.candidates.seen
        return {label for label, known in zip(labels, seen, strict=True) if not known}

    def score(self, method: Method) -> Score:
        """See `Score`."""
        return self.score_of(method.scores(self.features, self.candidates))

    def score_of(self, scores: FloatArray) -> Score:
        """The same for scores (n, labels) of the photos, such as adjusted ones."""
        seen = self.candidates.seen
        held_out = ~seen[self.truth]
        column = np.cumsum(~seen) - 1  # of a label held out, among these alone
        ranks = rank_of_truth(scores[held_out][:, ~seen], column[self.truth[held_out]])
        alone = [
            per_class_mean((ranks <= k).astype(np.float64), self.truth[held_out]) for k in SCORED_KS
        ]
        curves = [
            seen_unseen_curve(turning_points(scores, seen, self.truth, k), ~held_out, self.truth)
            for k in SCORED_KS
        ]
        gamma, harmonic = best_penalty(curves)
        return Score(float(np.mean(alone)), harmonic, gamma)
