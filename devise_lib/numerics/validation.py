"""How good a method is on labels that it was not trained on; settings are chosen by these
scores.
"""

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

SCORED_KS = (1, 5)  # hit@k is averaged over these k


@dataclass(frozen=True)
class FoldScore:
    """The score of a method in one fold.

    Attributes:
        by_label: hit@k among the held-out labels, of each held-out label that has photos; the mean
            over SCORED_KS.
        curves: the curves among all labels, one for each of SCORED_KS.
    """

    by_label: Mapping[str, float]
    curves: tuple[SeenUnseenCurve, ...]

    @property
    def unseen_accuracy(self) -> float:
        """The mean over the labels, where each label counts the same however many photos it has."""
        return float(np.mean(list(self.by_label.values())))


@dataclass(frozen=True)
class Score:
    """The score of a method in all folds; means over the folds and over SCORED_KS.

    Attributes:
        unseen_accuracy: per-class hit@k among the held-out labels.
        harmonic_mean: among all labels, the harmonic mean of the hit@k of held-out and of trained
            labels, at the penalty gamma.
        gamma: the penalty on trained labels that maximises the harmonic mean.
        by_fold: the unseen accuracy of each fold.
        by_label: for each fold, the scores of the labels that its unseen accuracy averages.
    """

    unseen_accuracy: float
    harmonic_mean: float
    gamma: float
    by_fold: tuple[float, ...]
    by_label: tuple[Mapping[str, float], ...] = ()

    @classmethod
    def over(cls, folds: Sequence[FoldScore]) -> "Score":
        """Combines the scores of a method in each of its folds."""
        gamma, harmonic = best_penalty([curve for fold in folds for curve in fold.curves])
        by_fold = tuple(fold.unseen_accuracy for fold in folds)
        by_label = tuple(fold.by_label for fold in folds)
        return cls(float(np.mean(by_fold)), harmonic, gamma, by_fold, by_label)

    @property
    def value(self) -> float:
        """The number that settings are chosen by: the accuracy on unseen labels.

        Xian et al. (2017) choose by it, too. If the accuracy on trained labels were part of the
        number, longer training would win, because it improves that accuracy only. The penalty gamma
        balances both kinds.
        """
        return self.unseen_accuracy


def choose_by_one_standard_error(scores: Sequence[Score]) -> int:
    """Returns the index of the first setting that is not clearly worse than the best one.

    A setting is clearly worse if it is behind by more than one standard error of the difference,
    taken fold by fold. With one fold only the best setting qualifies. A caller therefore lists its
    more careful settings first.

    Source: Breiman et al., "Classification and Regression Trees" (1984), section 3.4.3, the rule of
    one standard error; here with paired differences.
    """
    best = max(scores, key=lambda score: score.value)
    return next(i for i, score in enumerate(scores) if _is_as_good(score, best))


def cross_fitted(by_step: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Scores each label at a step that was chosen without the label's own score.

    The greatest of several scores is biased upwards, because chance decides in part which score is
    the greatest. The labels are therefore split into halves. Each half chooses a step, and the
    other half is scored there.

    Args:
        by_step: the scores of the same labels after each step; the first is the start.

    Returns:
        A score per label. A single label gets the score at the start.
    """
    first, second = halves(by_step[0], seed=0)
    found: dict[str, float] = {}
    for mine, others in ((first, second), (second, first)):
        means = [sum(scores[label] for label in others) for scores in by_step]
        step = by_step[int(np.argmax(means))]
        found |= {label: step[label] for label in mine}
    return found


def _is_as_good(score: Score, best: Score) -> bool:
    behind = paired_difference(best.by_fold, score.by_fold)
    return behind.mean <= (behind.error if behind.pairs > 1 else 0.0)


@dataclass(frozen=True)
class Validation:
    """Photos of seen labels that the methods under test are not trained on, in one fold.

    Attributes:
        features: (n, d_visual), raw.
        truth: (n,), the row of each photo's label among the candidates.
        candidates: the held-out labels, whose `seen` is false here, and the labels trained on.
            There are photos of both kinds.
    """

    features: NDArray[np.float32]
    truth: NDArray[np.int64]
    candidates: CandidateSet

    @property
    def held_out(self) -> set[str]:
        """The labels that stand in for unseen ones."""
        labels, seen = self.candidates.labels, self.candidates.seen
        return {label for label, known in zip(labels, seen, strict=True) if not known}

    def evaluate(self, method: Method) -> FoldScore:
        """Returns the score of a method on these photos."""
        return self.score(method.scores(self.features, self.candidates))

    def score(self, scores: FloatArray) -> FoldScore:
        """Returns the score for given scores (n, labels), such as adjusted ones."""
        seen = self.candidates.seen
        held_out = ~seen[self.truth]
        column = np.cumsum(~seen) - 1  # of a held-out label, among the held-out ones
        ranks = rank_of_truth(scores[held_out][:, ~seen], column[self.truth[held_out]])
        hits = np.mean([ranks <= k for k in SCORED_KS], axis=0)  # (held-out photos,)
        curves = tuple(
            seen_unseen_curve(turning_points(scores, seen, self.truth, k), ~held_out, self.truth)
            for k in SCORED_KS
        )
        labels, shares = per_class_means(hits, self.truth[held_out])
        names = (self.candidates.labels[label] for label in labels)
        return FoldScore(dict(zip(names, shares.tolist(), strict=True)), curves)

    def label_scores(self, by_label: Mapping[str, float]) -> dict[str, float | None]:
        """Adds the candidates without tested photos to the scores of a `FoldScore`.

        Args:
            by_label: the scores of the held-out labels whose photos were tested.

        Returns:
            A score per held-out label; None for one without tested photos.
        """
        return {label: by_label.get(label) for label in sorted(self.held_out)}


def score_projections(
    validations: Sequence[Validation], projections: Sequence[Projection]
) -> Score:
    """Returns the score of projections into the space of words, one projection per fold."""
    pairs = zip(validations, projections, strict=True)
    return Score.over([fold.evaluate(ByWords(Compatibility(one))) for fold, one in pairs])
