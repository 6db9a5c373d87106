"""Whether one method is clearly better than another: differences, label by label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# By fold, the score of each label that was held out; None for one that was an answer to choose
# from, but whose photos did not ask.
LabelScores = Mapping[int, Mapping[str, float | None]]


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
    def is_clear(self) -> bool:
        """Whether the first is better by more than one standard error."""
        return self.mean > self.error


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


def compare_labels(new: LabelScores, old: LabelScores) -> PairedDifference | None:
    """How much better `new` is than `old` on the labels that both were asked for.

    A score depends on how many labels there are to choose from. So a fold counts only where `new`
    had all labels to choose from that `old` had. It may have had more, as where labels have come
    since: that makes its task harder, so `new` is never taken for better than it is.

    Returns:
        None where no fold can be compared, or no label asked in both.
    """
    pairs = [
        (mine, theirs)
        for fold in sorted(new.keys() & old.keys())
        if new[fold].keys() >= old[fold].keys()
        for label in sorted(old[fold])
        if (mine := new[fold][label]) is not None and (theirs := old[fold][label]) is not None
    ]
    return paired_difference(*zip(*pairs, strict=True)) if pairs else None
