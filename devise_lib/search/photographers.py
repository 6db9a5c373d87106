"""Ranks photographers, or other owners of photos, for an assignment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.retrieval import best_columns
from devise_lib.numerics.vectors import FloatArray
from devise_lib.search_choices import OwnerPooling

SHARPNESS = 20.0  # of log_sum_exp: cosines that differ by 0.05 count e times as much


@dataclass(frozen=True)
class RankedOwner:
    """A photographer, and why he has his rank.

    Attributes:
        owner: his name.
        score: shrunk; what he is ranked by.
        photos: the number of his photos among those that were scored.
        best: (b,), positions of the photos that gave the score, the best first; of "mean" and
            "log_sum_exp" the `top` best.
    """

    owner: str
    score: float
    photos: int
    best: NDArray[np.int64]


class OwnerScores:
    """The scores of one owner's photos for several assignments, summed up in blocks of photos.

    Attributes:
        photos: their number.
        best: (a, up to top), for each assignment the places of the best photos, the best first.
        best_scores: of the same shape, their scores.
    """

    def __init__(self, assignments: int, top: int) -> None:
        """Starts without a photo.

        Args:
            assignments: their number, a.
            top: the number of best photos that are kept.
        """
        self.photos, self._top = 0, top
        self.best = np.empty((assignments, 0), np.int64)
        self.best_scores = np.empty((assignments, 0))
        self._sums, self._powers = np.zeros(assignments), np.zeros(assignments)

    def add(self, scores: FloatArray, places: NDArray[np.int64]) -> None:
        """Takes in a block of photos.

        Args:
            scores: (a, b), for each assignment; b is at least 1.
            places: (b,), by which the photos are known. Of equal scores the one that came first is
                better.
        """
        greatest = self.best_scores.max(axis=1, initial=-np.inf)
        self.photos += len(places)
        self._sums += scores.sum(axis=1)
        every = np.concatenate([self.best_scores, scores], axis=1)
        names = np.concatenate([self.best, np.broadcast_to(places, scores.shape)], axis=1)
        order = best_columns(every, self._top)
        self.best_scores = np.take_along_axis(every, order, axis=1)
        self.best = np.take_along_axis(names, order, axis=1)
        now = self.best_scores[:, 0]
        self._powers *= np.exp(SHARPNESS * (greatest - now))
        self._powers += np.exp(SHARPNESS * (scores - now[:, None])).sum(axis=1)

    def score(
        self, pooling: OwnerPooling, usual: FloatArray | float, shrinkage: float
    ) -> NDArray[np.float64]:
        """Returns the owner's score for each assignment, (a,), as `rank_owners` defines it.

        Args:
            pooling: how photos make a score.
            usual: (a,), the mean scores of all photos.
            shrinkage: the photos at which a score counts half.
        """
        if pooling == "top":
            pooled = self.best_scores.mean(axis=1)
        elif pooling == "mean":
            pooled = self._sums / self.photos
        else:
            logarithm = np.log(self._powers / self.photos) / SHARPNESS
            pooled = self.best_scores[:, 0] + logarithm
        return np.asarray(usual + (pooled - usual) * self.photos / (self.photos + shrinkage))


def rank_owners(
    scores: FloatArray,
    owners: Sequence[str | None],
    *,
    pooling: OwnerPooling = "log_sum_exp",
    top: int = 20,
    shrinkage: float = 5.0,
) -> list[RankedOwner]:
    """Ranks owners by the scores of their photos, the best first.

    | pooling | the score of an owner with n photos, before shrinkage |
    |---|---|
    | top | the mean of his `top` best photos: finds specialists among people who do much else |
    | mean | the mean of all his photos |
    | log_sum_exp | between the mean and the best photo: found the right one most often |

    The score is multiplied by n / (n + shrinkage), so that one lucky photo does not win. It counts
    from the mean score of all photos, so that shrinkage leads to what is usual. Equal scores are
    ordered by name.

    Args:
        scores: (n,), of the photos for the assignment, such as cosines with its text.
        owners: n names; a photo of None counts for nobody.
        pooling: as above.
        top: the number of photos that count, for "top".
        shrinkage: the photos at which a score counts half.

    Raises:
        InputError: the lengths differ, or `top` or `shrinkage` is out of range.
    """
    if scores.shape != (len(owners),) or top < 1 or shrinkage < 0:
        raise InputError(
            f"want a score for each of {len(owners)} owners, top >= 1 and shrinkage >= 0; got "
            f"{scores.shape}, {top}, {shrinkage}"
        )
    places: dict[str, list[int]] = {}
    for place, owner in enumerate(owners):
        if owner is not None:
            places.setdefault(owner, []).append(place)
    values = scores.astype(np.float64)
    usual = values.mean() if len(values) else 0.0
    ranked = []
    for owner, mine in places.items():
        of_owner = OwnerScores(1, top)
        of_owner.add(values[None, mine], np.array(mine))
        [score] = of_owner.score(pooling, usual, shrinkage)
        ranked.append(RankedOwner(owner, float(score), len(mine), of_owner.best[0]))
    return sorted(ranked, key=lambda each: (-each.score, each.owner))


def exposure_share(shown: Sequence[Sequence[str]], owners: int, share: float = 0.01) -> float:
    """Returns the part of all places that goes to the owners who are shown most often.

    Args:
        shown: for each assignment the names that were recommended.
        owners: the number of all owners.
        share: of the owners that counts as the top; at least one owner.

    Raises:
        InputError: nobody was shown.
    """
    counts: dict[str, int] = {}
    for names in shown:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        raise InputError("want at least one recommended owner; got none")
    most = max(1, int(share * owners))
    return sum(sorted(counts.values(), reverse=True)[:most]) / sum(counts.values())
