"""Tags photos with the labels whose word vectors are nearest to the photos' embeddings."""

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.hubness import csls
from devise_lib.numerics.retrieval import best_columns
from devise_lib.numerics.vectors import FloatArray

SCORES_AT_ONCE = 4_000_000  # 32 MB of float64, for any number of labels


def best_labels(
    embeddings: FloatArray,
    label_vectors: FloatArray,
    k: int,
    hub_means: FloatArray | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the k labels of each photo with the greatest inner product, the best first.

    Scores are summed in float64 and compared as float32. They therefore depend neither on the other
    photos of the call nor on the position of a label. Labels with the same vector tie exactly, and
    the first label wins a tie.

    Args:
        embeddings: (n, d), unit L2 norm.
        label_vectors: (m, d), unit L2 norm; then scores are cosines, in [-1, 1].
        k: the number of labels per photo.
        hub_means: (m,), the mean cosine of each label with its nearest photos. With it a score is
            that of CSLS (`numerics.hubness`): twice the cosine less this mean.

    Returns:
        Rows of `label_vectors`, (n, min(k, m)), and their scores, falling along each row.

    Raises:
        InputError: k is below 1, the shapes do not agree, or a number is not finite.
    """
    if embeddings.ndim != 2 or label_vectors.ndim != 2 or k < 1:
        raise InputError(
            "want embeddings (n, d), label vectors (m, d) and k >= 1; got "
            f"{embeddings.shape}, {label_vectors.shape}, k {k}"
        )
    if embeddings.shape[1] != label_vectors.shape[1]:
        raise InputError(
            f"embeddings have {embeddings.shape[1]} dimensions and label vectors "
            f"{label_vectors.shape[1]}: the model was trained on other word vectors; "
            "run train_devise and embed_photos after embed_labels"
        )
    if not (np.isfinite(embeddings).all() and np.isfinite(label_vectors).all()):
        raise InputError("want finite embeddings and label vectors; some have NaN or infinity")
    n, m = len(embeddings), len(label_vectors)
    width = min(k, m)
    indices = np.empty((n, width), dtype=np.int64)
    scores = np.empty((n, width), dtype=np.float32)
    if not width:
        return indices, scores
    columns = label_vectors.astype(np.float64).T  # (d, m)
    step = max(1, SCORES_AT_ONCE // m)
    for start in range(0, n, step):
        block = embeddings[start : start + step].astype(np.float64)
        cosines = block @ columns  # (step, m)
        found = (cosines if hub_means is None else csls(cosines, hub_means)).astype(np.float32)
        best = best_columns(found, width)
        indices[start : start + step] = best
        scores[start : start + step] = np.take_along_axis(found, best, axis=1)
    return indices, scores
