"""Chooses photos that are good and differ from each other.

Source: Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents
and Producing Summaries" (1998).
"""

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import FloatArray


def choose_diverse(
    scores: FloatArray, embeddings: FloatArray, k: int, relevance: float = 0.7
) -> NDArray[np.int64]:
    """Returns k photos by maximal marginal relevance, in the order in which they are chosen.

    Each choice has the greatest relevance * score - (1 - relevance) * (greatest cosine with a
    chosen photo). Equal values are ordered by position.

    Args:
        scores: (n,), how well each photo answers the query; cosines, or as large as cosines.
        embeddings: (n, d), unit L2 norm.
        k: the number of photos.
        relevance: 1 ranks by score alone, 0 by difference alone.

    Returns:
        (min(k, n),) positions.

    Raises:
        InputError: the shapes do not agree, k is below 1, or relevance is not in [0, 1].
    """
    if embeddings.ndim != 2 or scores.shape != embeddings.shape[:1] or k < 1:
        raise InputError(
            f"want scores (n,), embeddings (n, d) and k >= 1; got {scores.shape}, "
            f"{embeddings.shape}, k {k}"
        )
    if not 0 <= relevance <= 1:
        raise InputError(f"relevance is {relevance}, want it in [0, 1]")
    gains = relevance * scores.astype(np.float64)
    nearest = np.full(len(scores), -np.inf)  # the greatest cosine with a chosen photo
    chosen: list[int] = []
    for _ in range(min(k, len(scores))):
        values = gains - (1 - relevance) * nearest if chosen else gains.copy()
        values[chosen] = -np.inf
        chosen.append(int(values.argmax()))
        nearest = np.maximum(nearest, embeddings @ embeddings[chosen[-1]])
    return np.array(chosen, np.int64)
