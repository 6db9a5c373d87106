"""Whether one method is clearly better than another: differences, label by label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# By fold, the score of each label that was held out; None for one that was an answer to choose
# from, but whose photos did not ask.
LabelScores = Mapping[int, Mapping[str, float | None]]

LEAST_LABELS = 5  # with fewer, not even a lead on every label is rarer by chance than 5 %
ROUNDING = 1e-9  # scores are shares of photos: a smaller mean is what rounding leaves of none
_NORMAL = 1.6448536269514722  # the 95 % quantile of the normal distribution
_FEW = (6.313752, 2.919986, 2.353363, 2.131847)  # of Student's t with 1 to 4 degrees of freedom


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences, and how far chance may move it.

    Attributes:
        mean: of the differences.
        error: the standard error of the mean; infinite where it cannot be told, for fewer than two
            pairs.
        pairs: how many there are.
    """

    mean: float
    error: float
    pairs: int

    @property
    def bound(self) -> float:
        """What the mean exceeds by chance in 5 % of cases: that of a one-sided t test."""
        if self.pairs < 2:
            return np.inf
        return max(ROUNDING, t_quantile(self.pairs - 1) * self.error)


@dataclass(frozen=True)
class LabelComparison:
    """How much better one method is than another on labels held out.

    The labels of a fold share one trained projection. If chance makes that projection better, all
    of its labels gain, and a test over labels takes the gain for a certain one. So the fold counts
    as a unit, too.

    Attributes:
        labels: the difference over all labels.
        folds: the difference over the mean scores of the folds; None with a single fold.
    """

    labels: PairedDifference
    folds: PairedDifference | None

    @property
    def is_clear(self) -> bool:
        """Whether the first is better by a one-sided t test at 5 %, over labels and over folds.

        Fewer than LEAST_LABELS labels show nothing. In simulations, a model that is no better than
        the other is called clearly better in 1 to 5 % of comparisons over two folds or more. A
        single fold cannot show how much chance moves a fold as a whole. There the rate is 5 % where
        chance does not move it. Where it moves it half as much as single labels, the rate grows
        with the labels: 11 % with 5, 18 % with 10, 25 % with 24, 40 % with 200.
        """
        parts = [self.labels, *([self.folds] if self.folds else [])]
        return self.labels.pairs >= LEAST_LABELS and all(part.mean > part.bound for part in parts)

    def __str__(self) -> str:
        """For people: each mean, the bound that it must exceed, and what it is the mean of."""
        mine = self.labels
        text = f"{mine.mean:+.4f} (bound {mine.bound:.4f}) on {mine.pairs} labels held out"
        if self.folds is None:
            return f"{text} in one fold"
        whole = self.folds
        return f"{text}, {whole.mean:+.4f} (bound {whole.bound:.4f}) on {whole.pairs} folds"


def t_quantile(freedom: int) -> float:
    """The 95 % quantile of Student's t distribution, to 0.001.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), expansion 26.7.5,
    and table 26.10 for the few degrees of freedom that the expansion is too coarse for.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    if freedom <= len(_FEW):
        return _FEW[freedom - 1]
    x = _NORMAL
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / freedom**power for power, term in enumerate(terms, 1))


def paired_difference(first: Sequence[float], second: Sequence[float]) -> PairedDifference:
    """How much greater the numbers of `first` are than those of `second`, pair by pair.

    What is hard for one method is mostly hard for the other, too. Differences within pairs leave
    that out, so their standard error is smaller than that of two separate means.

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
    """How much better `new` is than `old` on the labels that both were asked for.

    A score depends on how many labels there are to choose from. So a fold counts only where `new`
    had all labels to choose from that `old` had. It may have had more, as where labels have come
    since: that makes its task harder, so `new` is never taken for better than it is.

    Returns:
        None where no fold can be compared, or no label asked in both.
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
