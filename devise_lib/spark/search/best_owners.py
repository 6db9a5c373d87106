"""The best owners of each assignment, of photos that come in the order of their owners."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from devise_lib.config.suggestions import RankPhotographers
from devise_lib.numerics.retrieval import best_columns
from devise_lib.search.photographers import OwnerScores

SHOWN = 5  # photos that say why an owner was chosen
SCORES_AT_ONCE = 1_000_000  # of finished owners, before all but the best are dropped
IDS_AT_ONCE = 200_000  # of photos of one owner, before all but those of his best are dropped
BEST = pa.schema(
    [
        *(("assignment_id", pa.string()), ("owner", pa.string()), ("score", pa.float64())),
        *(("photos", pa.int64()), ("best_photos", pa.list_(pa.string()))),
        ("best_scores", pa.list_(pa.float64())),
    ]
)


class BestOwners:
    """Takes in photos owner by owner, and keeps the best k owners of each assignment.

    It holds one owner's sums and best photos, some finished owners, and the best ones.
    """

    def __init__(
        self, assignments: Sequence[str], usual: NDArray[np.float64], config: RankPhotographers
    ) -> None:
        """Starts without a photo.

        Args:
            assignments: their ids, at least one.
            usual: (a,), the mean scores of all photos.
            config: how owners are scored.
        """
        self._assignments, self._usual, self._config = assignments, usual, config
        self._finished: list[tuple[NDArray[np.object_], ...]] = []
        self._owner, self._ids = "", dict[int, str]()
        self._scores = OwnerScores(len(assignments), config.top)

    def add(self, owner: str, photo_ids: Sequence[str], scores: NDArray[np.float64]) -> None:
        """Takes in some photos of an owner. All photos of an owner come one after the other.

        Args:
            owner: of the photos.
            photo_ids: (b,), at least one.
            scores: (a, b).
        """
        if owner != self._owner:
            self._finish()
            self._owner, self._ids = owner, {}
            self._scores = OwnerScores(len(self._assignments), self._config.top)
        places = self._scores.photos + np.arange(len(photo_ids))
        self._ids.update(zip(places.tolist(), photo_ids, strict=True))
        self._scores.add(scores, places)
        if len(self._ids) > IDS_AT_ONCE:
            self._ids = {place: self._ids[place] for place in np.unique(self._scores.best).tolist()}

    def rows(self) -> pa.RecordBatch:
        """Return the rows of the best owners; no photo comes after that."""
        self._finish()
        if not self._finished:
            return pa.RecordBatch.from_pylist([], schema=BEST)
        self._drop_all_but_the_best()
        [columns] = self._finished
        names = np.repeat(np.array(self._assignments, object), columns[0].shape[1])
        arrays = [names.tolist(), *(column.ravel().tolist() for column in columns)]
        types = zip(arrays, BEST.types, strict=True)
        return pa.RecordBatch.from_arrays([pa.array(*each) for each in types], schema=BEST)

    def _finish(self) -> None:
        """Keep the score of the owner, and what says why."""
        if not self._scores.photos:
            return
        score = self._scores.score(self._config.pooling, self._usual, self._config.shrinkage)
        photos, values = np.empty(len(score), object), np.empty(len(score), object)
        for row, best in enumerate(self._scores.best[:, :SHOWN].tolist()):
            photos[row] = [self._ids[place] for place in best]
            values[row] = self._scores.best_scores[row, :SHOWN].tolist()
        same = (np.full(len(score), value, object) for value in (self._owner, self._scores.photos))
        owners, numbers = same
        columns = (owners, score.astype(object), numbers, photos, values)
        self._finished.append(tuple(column[:, None] for column in columns))
        if len(self._finished) * len(score) > SCORES_AT_ONCE:
            self._drop_all_but_the_best()

    def _drop_all_but_the_best(self) -> None:
        """Keep the best k of the finished owners; equal ones in the order in which they came."""
        every = [np.concatenate(parts, axis=1) for parts in zip(*self._finished, strict=True)]
        order = best_columns(every[1].astype(np.float64), self._config.k)
        self._finished = [tuple(np.take_along_axis(column, order, axis=1) for column in every)]
