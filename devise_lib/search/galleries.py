"""Completes a gallery: from photos that belong to it, and some that do not, to what to rank by.

Sources: Rocchio, "Relevance Feedback in Information Retrieval" (1971), for photos that do not
belong.
"""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import FloatArray, l2_normalize
from devise_lib.search.spherical_kmeans import spherical_kmeans
from devise_lib.search_choices import GalleryMethod


def gallery_queries(
    members: FloatArray,
    others: FloatArray | None = None,
    method: GalleryMethod = "mean",
    *,
    trimmed: float = 0.2,
    centroids: int = 3,
    negative_weight: float = 0.5,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Returns the vectors by which photos are ranked: by the greatest cosine with one of them.

    | method | the vectors |
    |---|---|
    | mean | the mean of the members |
    | trimmed_mean | the mean without the members that are farthest from it |
    | medoid | the member that is nearest to all others |
    | centroids | the centres of several themes |

    Args:
        members: (n, d), unit L2 norm; photos of the gallery, at least one.
        others: (m, d), unit L2 norm; photos that do not belong. Their mean is subtracted from each
            vector.
        method: as above.
        trimmed: the share of members that "trimmed_mean" leaves out, in [0, 1); of three members or
            more one at least.
        centroids: the most themes.
        negative_weight: of the mean of `others`, beside 1 for the members.
        seed: of the first centres.

    Returns:
        (c, d), unit L2 norm; c is 1 but for "centroids".

    Raises:
        InputError: there is no member or no such method, the shapes do not agree, or the vectors
            cancel out.
    """
    if members.ndim != 2 or not len(members):
        raise InputError(f"want photos of the gallery (n, d), at least one; got {members.shape}")
    if others is not None and (others.ndim != 2 or others.shape[1] != members.shape[1]):
        raise InputError(
            f"want photos that do not belong (m, {members.shape[1]}); got {others.shape}"
        )
    vectors = members.astype(np.float64)
    if method == "trimmed_mean":
        vectors = _mean(_nearest_to_the_mean(vectors, trimmed))
    elif method == "medoid":
        vectors = vectors[[int((vectors @ vectors.sum(axis=0)).argmax())]]
    elif method == "centroids":
        vectors, _ = spherical_kmeans(vectors, centroids, seed)
    elif method == "mean":
        vectors = _mean(vectors)
    else:
        raise InputError(
            f"there is no method {method!r}: want {', '.join(get_args(GalleryMethod))}"
        )
    if others is not None and len(others):
        vectors = vectors - negative_weight * others.mean(axis=0, dtype=np.float64)
    if not (np.linalg.norm(vectors, axis=1) > 1e-6).all():
        raise InputError("the photos of the gallery cancel each other out: leave some out")
    return l2_normalize(vectors).astype(np.float32)


def best_of(queries: FloatArray, embeddings: FloatArray) -> NDArray[np.float32]:
    """Returns the greatest cosine of each photo with one of the queries, (n,).

    Args:
        queries: (c, d), by `gallery_queries`.
        embeddings: (n, d), unit L2 norm.
    """
    return np.asarray((embeddings @ queries.T).max(axis=1), np.float32)


def _mean(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors.mean(axis=0, keepdims=True)


def _nearest_to_the_mean(vectors: NDArray[np.float64], trimmed: float) -> NDArray[np.float64]:
    if not 0 <= trimmed < 1:
        raise InputError(f"trimmed is {trimmed}, want it in [0, 1)")
    n = len(vectors)
    left_out = max(int(trimmed * n), int(n > 2 and trimmed > 0))
    kept = max(1, n - left_out)
    nearest = np.argsort(-(vectors @ _mean(vectors)[0]), kind="stable")[:kept]
    return vectors[nearest]
