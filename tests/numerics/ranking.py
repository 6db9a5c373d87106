"""DeViSE's losses in numpy: what the training losses are tested against."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray, l2_normalize


def violations(
    images: FloatArray, labels: FloatArray, truth: NDArray[np.integer[Any]], margin: float = 0.1
) -> FloatArray:
    """How far each wrong label comes within `margin` of the right one.

    Args:
        images: (n, d) projected images, of any length.
        labels: (m, d) label vectors of unit L2 norm, so a score is |image| times a cosine.
        truth: (n,) for each image the row of `labels` that is right, in [0, m).
        margin: in the unit of the scores; 0.1 in the paper.

    Returns:
        (n, m) max(0, margin - s[i, truth[i]] + s[i, j]) with s = images @ labels.T; 0 for the
        right label itself.

    Raises:
        ValueError: the shapes do not agree, or `truth` names a row that `labels` lacks.

    Source: Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model" (2013), eq. 1.
    """
    if images.ndim != 2 or labels.ndim != 2 or images.shape[1] != labels.shape[1]:
        raise ValueError(f"want images (n, d), labels (m, d); got {images.shape}, {labels.shape}")
    n, m = len(images), len(labels)
    if truth.shape != (n,):
        raise ValueError(f"want truth ({n},), one row of labels an image; got {truth.shape}")
    if n and (truth.min() < 0 or truth.max() >= m):
        raise ValueError(f"want truth in [0, {m}); got [{truth.min()}, {truth.max()}]")
    scores = images @ labels.T  # (n, m)
    right = np.take_along_axis(scores, truth[:, None], axis=1)  # (n, 1)
    hinges = np.maximum(0.0, margin - right + scores)  # (n, m)
    np.put_along_axis(hinges, truth[:, None], 0.0, axis=1)
    return hinges


def hinge_rank_loss(
    images: FloatArray, labels: FloatArray, truth: NDArray[np.integer[Any]], margin: float = 0.1
) -> FloatArray:
    """Equation 1: the sum of the violations, (n,), >= 0; not averaged over images."""
    return violations(images, labels, truth, margin).sum(axis=1)


def expected_one_violator_loss(
    images: FloatArray, labels: FloatArray, truth: NDArray[np.integer[Any]], margin: float = 0.1
) -> FloatArray:
    """The mean, (n,), of the paper's truncated sum over all orders of the wrong labels.

    Stopping at the first violator in random order draws one violator uniformly, so the mean
    is the mean hinge over the violators; 0 where there is none (section 3.3 of the paper).
    """
    hinges = violations(images, labels, truth, margin)
    count = (hinges > 0).sum(axis=1)
    return np.divide(hinges.sum(axis=1), count, out=np.zeros(len(images)), where=count > 0)


def hardest_violator_loss(
    images: FloatArray, labels: FloatArray, truth: NDArray[np.integer[Any]], margin: float = 0.1
) -> FloatArray:
    """The largest violation of each image, (n,): that of the wrong label that scores best."""
    return violations(images, labels, truth, margin).max(axis=1, initial=0.0)


def euclidean_distance(
    images: FloatArray, labels: FloatArray, truth: NDArray[np.integer[Any]]
) -> FloatArray:
    """||label - image||, (n,): how far each image (n, d) is from its label's vector (m, d)."""
    return np.asarray(np.linalg.norm(labels[truth] - images, axis=1))


def cosine_distance(
    images: FloatArray, labels: FloatArray, truth: NDArray[np.integer[Any]]
) -> FloatArray:
    """1 - cos(image, label), (n,), of images (n, d) and label vectors (m, d) of unit norm."""
    return 1.0 - np.sum(l2_normalize(images) * labels[truth], axis=1)
