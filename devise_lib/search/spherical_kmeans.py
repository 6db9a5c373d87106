"""k-means on the unit sphere, for some hundred vectors.

Sources: Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data" (2001); Arthur and
Vassilvitskii, "k-means++" (2007), for the first centres.
"""

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray, l2_normalize

ROUNDS = 50  # More are not needed for some hundred vectors.


def spherical_kmeans(
    vectors: FloatArray, k: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns unit centres, and the centre that each vector is nearest to.

    Args:
        vectors: (n, d), unit L2 norm, at least one.
        k: the number of centres. There are fewer where fewer vectors differ.
        seed: of the first centres.

    Returns:
        centres (c, d) with c <= k, and their numbers (n,). Each centre has a vector.

    Raises:
        ValueError: there is no vector, or k is below 1.
    """
    if vectors.ndim != 2 or not len(vectors) or k < 1:
        raise ValueError(f"want vectors (n, d), at least one, and k >= 1; got {vectors.shape}, {k}")
    points = vectors.astype(np.float64)
    centres = points[_first_centres(points, k, seed)]
    nearest = (points @ centres.T).argmax(axis=1)
    for _ in range(ROUNDS):
        used, numbers = np.unique(nearest, return_inverse=True)
        sums = np.stack([points[numbers == each].sum(axis=0) for each in range(len(used))])
        lost = np.linalg.norm(sums, axis=1) <= 1e-9  # of vectors that cancel each other out
        centres = np.where(lost[:, None], centres[used], l2_normalize(sums))
        moved = (points @ centres.T).argmax(axis=1)
        if np.array_equal(moved, numbers):
            return centres, numbers.astype(np.int64)
        nearest = moved
    used, numbers = np.unique(nearest, return_inverse=True)
    return centres[used], numbers.astype(np.int64)


def _first_centres(points: NDArray[np.float64], k: int, seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    chosen = [int(rng.integers(len(points)))]
    while len(chosen) < k:
        apart = np.maximum(1 - (points @ points[chosen].T).max(axis=1), 0)
        apart[apart < 1e-9] = 0  # a copy of a centre
        if not apart.any():
            break
        chosen.append(int(rng.choice(len(points), p=apart / apart.sum())))
    return chosen
