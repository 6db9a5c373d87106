"""How good a method is at labels that it was not trained on: what settings are chosen by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.candidates import ByWords, CandidateSet, Method
from devise_lib.numerics.generalized import (
    SeenUnseenCurve,
    best_penalty,
    per_class_means,
    seen_unseen_curve,
    turning_points,
)
from devise_lib.numerics.linear import Compatibility, Projection
from devise_lib.numerics.paired import paired_difference
from devise_lib.numerics.retrieval import rank_of_truth
from devise_lib.numerics.splits import halves
from devise_lib.numerics.vectors import FloatArray

SCORED_KS = (1, 5)  # the lengths of the lists whose hits are averaged


@dataclass(frozen=True)
class FoldScore:
    """How a method did in one fold.

    Attributes:
        by_label: hit@k of each label held out whose photos ask, among the labels held out; the
            mean over SCORED_KS.
        curves: among all labels, at each of SCORED_KS.
    """

    by_label: Mapping[str, float]
    curves: tuple[SeenUnseenCurve, ...]

    @property
    def alone(self) -> float:
        """The mean over the labels: each counts as much, however many photos it has."""
        return float(np.mean(list(self.by_label.values())))


@dataclass(frozen=True)
class Score:
    """How a method did in all folds; means over these and over SCORED_KS.

    Attributes:
        alone: per-class hit@k among the labels held out.
        harmonic: among all, the harmonic mean with the hit@k of the labels trained on, at gamma.
        gamma: the penalty on trained labels at which it is greatest.
        by_fold: `alone` of each fold.
        by_label: of each fold, the scores of the labels that it is the mean of.
    """

    alone: float
    harmonic: float
    gamma: float
    by_fold: tuple[float, ...]
    by_label: tuple[Mapping[str, float], ...] = ()

    @classmethod
    def over(cls, folds: Sequence[FoldScore]) -> "Score":
        """The score of a method's answers, one of each fold."""
        gamma, harmonic = best_penalty([curve for fold in folds for curve in fold.curves])
        alone = tuple(fold.alone for fold in folds)
        by_label = tuple(fold.by_label for fold in folds)
        return cls(float(np.mean(alone)), harmonic, gamma, alone, by_label)

    @property
    def value(self) -> float:
        """What settings are chosen by: what is done for labels that nobody has seen.

        So do Xian et al. (2017); with the labels trained on in it, longer training would win, which
        serves these alone. Between both, the penalty decides.
        """
        return self.alone


def choose(scores: Sequence[Score]) -> int:
    """The place of the first that is not clearly worse than the best.

    Not clearly is by no more than one standard error of the difference, fold by fold; with
    one fold only the best will do. So who lists settings puts the more careful ones first.

    Source: Breiman et al., "Classification and Regression Trees" (1984), section 3.4.3, the rule
    of one standard error; here of paired differences.
    """
    best = max(scores, key=lambda score: score.value)
    return next(i for i, score in enumerate(scores) if _as_good(score, best))


def cross_fitted(by_step: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The scores of labels at steps that these labels did not choose.

    The greatest of several scores is too high: chance has part in which is the greatest. So the
    labels are cut into halves. Each half chooses a step, and the other half is scored there.

    Args:
        by_step: the scores of the same labels after each step; the first is the start.

    Returns:
        A score per label. That of a label without another one is the score at the start.
    """
    first, second = halves(by_step[0], seed=0)
    found: dict[str, float] = {}
    for mine, others in ((first, second), (second, first)):
        means = [sum(scores[label] for label in others) for scores in by_step]
        step = by_step[int(np.argmax(means))]
        found |= {label: step[label] for label in mine}
    return found


def _as_good(score: Score, best: Score) -> bool:
    behind = paired_difference(best.by_fold, score.by_fold)
    return behind.mean <= (behind.error if behind.pairs > 1 else 0.0)


@dataclass(frozen=True)
class Validation:
    """Photos of seen labels that methods under trial are not trained on, in one fold.

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

    def evaluate(self, method: Method) -> FoldScore:
        """The score of a method on these photos."""
        return self.score(method.scores(self.features, self.candidates))

    def score(self, scores: FloatArray) -> FoldScore:
        """The same for scores (n, labels) that were computed before, such as adjusted ones."""
        seen = self.candidates.seen
        held_out = ~seen[self.truth]
        column = np.cumsum(~seen) - 1  # of a label held out, among these alone
        ranks = rank_of_truth(scores[held_out][:, ~seen], column[self.truth[held_out]])
        hits = np.mean([ranks <= k for k in SCORED_KS], axis=0)  # of each photo held out
        curves = tuple(
            seen_unseen_curve(turning_points(scores, seen, self.truth, k), ~held_out, self.truth)
            for k in SCORED_KS
        )
        labels, shares = per_class_means(hits, self.truth[held_out])
        names = (self.candidates.labels[label] for label in labels)
        return FoldScore(dict(zip(names, shares.tolist(), strict=True)), curves)

    def label_scores(self, by_label: Mapping[str, float]) -> dict[str, float | None]:
        """The scores of `FoldScore`, with all labels that there were to choose from."""
        return {label: by_label.get(label) for label in sorted(self.held_out)}


def score_projections(
    validations: Sequence[Validation], projections: Sequence[Projection]
) -> Score:
    """The score of projections into the space of words, one of each fold."""
    pairs = zip(validations, projections, strict=True)
    return Score.over([fold.evaluate(ByWords(Compatibility(one))) for fold, one in pairs])
