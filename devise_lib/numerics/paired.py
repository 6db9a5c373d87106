"""Tests whether one method is clearly better than another, by paired differences per label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Per fold, the score of each label that was held out. None marks a label that was a candidate
# answer only: none of its photos was tested.
LabelScores = Mapping[int, Mapping[str, float | None]]

LEAST_LABELS = 5  # with fewer, chance gives a lead on every label in more than 5 % of cases
ROUNDING = 1e-9  # scores are shares of photos, so a smaller mean is a rounding error
_NORMAL_95 = 1.6448536269514722  # the 95 % quantile of the normal distribution
_T_95 = (6.313752, 2.919986, 2.353363, 2.131847)  # of Student's t, 1 to 4 degrees of freedom


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences, with its standard error.

    Attributes:
        mean: the mean of the differences.
        error: the standard error of the mean. It is infinite for fewer than two pairs, which do not
            tell the error.
        pairs: the number of pairs.
    """

    mean: float
    error: float
    pairs: int

    @property
    def bound(self) -> float:
        """The value that the mean exceeds by chance in 5 % of cases, by a one-sided t test."""
        if self.pairs < 2:
            return np.inf
        return max(ROUNDING, t_quantile(self.pairs - 1) * self.error)


@dataclass(frozen=True)
class LabelComparison:
    """How much better one method is than another on labels held out.

    The labels of a fold share one trained projection. If chance makes that projection better, all
    of its labels gain, and a test over labels alone would call the gain certain. The folds are
    therefore tested as units, too.

    Attributes:
        labels: the difference over all labels.
        folds: the difference over the mean scores of the folds; None with a single fold.
    """

    labels: PairedDifference
    folds: PairedDifference | None

    @property
    def is_clear(self) -> bool:
        """Whether the first method is better by a one-sided t test at 5 %, over labels and over
        folds.

        The answer is False for fewer than LEAST_LABELS labels.

        In simulations, a model that is no better than the other is called clearly better in 1 to 5
        % of comparisons over two folds or more. A single fold cannot show how much chance moves a
        fold as a whole. There the rate is 5 % if chance does not move the fold. If chance moves it
        half as much as single labels, the rate grows with the labels: 11 % with 5, 18 % with 10, 25
        % with 24, 40 % with 200.
        """
        parts = [self.labels, *([self.folds] if self.folds else [])]
        return self.labels.pairs >= LEAST_LABELS and all(part.mean > part.bound for part in parts)

    def __str__(self) -> str:
        """Returns each mean with its bound and the number of labels or folds, for people to
        read.
        """
        mine = self.labels
        text = f"{mine.mean:+.4f} (bound {mine.bound:.4f}) on {mine.pairs} labels held out"
        if self.folds is None:
            return f"{text} in one fold"
        whole = self.folds
        return f"{text}, {whole.mean:+.4f} (bound {whole.bound:.4f}) on {whole.pairs} folds"


def t_quantile(freedom: int) -> float:
    """Returns the 95 % quantile of Student's t distribution, to 0.001.

    Args:
        freedom: degrees of freedom, at least 1.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), expansion 26.7.5.
    For 1 to 4 degrees of freedom the expansion is too coarse, so table 26.10 is used.
    """
    if freedom <= len(_T_95):
        return _T_95[freedom - 1]
    x = _NORMAL_95
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / freedom**power for power, term in enumerate(terms, 1))


def paired_difference(first: Sequence[float], second: Sequence[float]) -> PairedDifference:
    """Returns how much greater the numbers of `first` are than those of `second`, pair by pair.

    A label that is hard for one method is mostly hard for the other, too. Differences within pairs
    leave that out, so their standard error is smaller than that of two separate means.

    Args:
        first, second: (n,) finite numbers of the same things, n at least 1.

    Raises:
        ValueError: the lengths differ, there is no pair, or a number is not finite.
    """
    pairs = len(first)
    if pairs != len(second) or not pairs:
        raise ValueError(
            f"want two rows of the same length, 1 at least; got {pairs}, {len(second)}"
        )
    differences = np.subtract(first, second, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("want finite numbers, got one that is not")
    error = float(np.std(differences, ddof=1)) / pairs**0.5 if pairs > 1 else np.inf
    return PairedDifference(float(np.mean(differences)), error, pairs)


def compare_labels(new: LabelScores, old: LabelScores) -> LabelComparison | None:
    """Compares two methods on the labels that both were tested on.

    A score depends on the number of candidate labels. A fold therefore counts only where `new` had
    all the candidates that `old` had. `new` may have had more, because labels may have been added
    since. More candidates make its task harder, so `new` is never rated too well.

    Returns:
        How much better `new` is than `old`. None if no fold can be compared, or if both were tested
        on no common label.
    """
    pairs = {
        fold: found
        for fold in sorted(new.keys() & old.keys())
        if new[fold].keys() >= old[fold].keys()
        and (found := _pairs(new[fold], old[fold], sorted(old[fold])))
    }
    if not pairs:
        return None
    every = [pair for of_fold in pairs.values() for pair in of_fold]
    means = [np.mean(of_fold, axis=0).tolist() for of_fold in pairs.values()]
    return LabelComparison(
        paired_difference(*zip(*every, strict=True)),
        paired_difference(*zip(*means, strict=True)) if len(pairs) > 1 else None,
    )


def _pairs(
    new: Mapping[str, float | None], old: Mapping[str, float | None], labels: Sequence[str]
) -> list[tuple[float, float]]:
    return [
        (mine, theirs)
        for label in labels
        if (mine := new[label]) is not None and (theirs := old[label]) is not None
    ]
