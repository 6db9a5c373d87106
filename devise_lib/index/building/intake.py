"""Which embeddings can be indexed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.reasons import Reason


@dataclass(frozen=True)
class Rejected:
    """A photo that is not indexed, with the class of its reason and what was found."""

    photo_id: str
    reason: Reason
    message: str


@dataclass(frozen=True)
class Intake:
    """The embeddings of a batch that can be indexed, and those that cannot.

    Attributes:
        kept: (n,), the places in the batch of those that can.
        vectors: (n, d), of unit L2 norm.
        rejected: the others.
    """

    kept: NDArray[np.int64]
    vectors: NDArray[np.float32]
    rejected: Sequence[Rejected]


def take_in(photo_ids: pa.StringArray, embeddings: pa.ListArray, dimension: int) -> Intake:
    """Sorts out the embeddings (b,) that have no direction, and scales the others to unit norm.

    | reason | embedding |
    |---|---|
    | WRONG_LENGTH | null, or not of `dimension` numbers |
    | NOT_FINITE | with a number that is null, NaN or infinite |
    | ZERO_VECTOR | of zeros alone |
    """
    lengths = pc.fill_null(pc.list_value_length(embeddings), -1).to_numpy()
    long = np.flatnonzero(lengths == dimension)
    chosen = embeddings.take(pa.array(long)) if len(long) < len(embeddings) else embeddings
    values = chosen.flatten().to_numpy(zero_copy_only=False)
    vectors = values.astype(np.float32, copy=False).reshape(len(long), dimension)
    finite = np.isfinite(vectors).all(axis=1)
    some = np.abs(vectors).max(axis=1, initial=0.0) > 0  # NaN is told by `finite`
    good = finite & some
    rejected = []
    for place in np.flatnonzero(lengths != dimension):
        message = _length(int(lengths[place]), dimension)
        rejected.append(Rejected(photo_ids[int(place)].as_py(), Reason.WRONG_LENGTH, message))
    for place in np.flatnonzero(~good):
        name = photo_ids[int(long[place])].as_py()
        if finite[place]:
            rejected.append(Rejected(name, Reason.ZERO_VECTOR, f"all {dimension} numbers are 0"))
        else:
            bad = int(np.count_nonzero(~np.isfinite(vectors[place])))
            message = f"{bad} of {dimension} numbers are null, NaN or infinite"
            rejected.append(Rejected(name, Reason.NOT_FINITE, message))
    kept = vectors if good.all() else vectors[good]
    return Intake(long[good], l2_normalize(kept), rejected)


def _length(found: int, wanted: int) -> str:
    got = "the embedding is null" if found < 0 else f"the embedding has {found} numbers"
    return f"{got}, want {wanted}"
