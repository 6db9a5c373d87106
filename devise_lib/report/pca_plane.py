"""The plane of the map by principal components, and names that do not cover one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

Box = tuple[float, float, float, float]  # left, bottom, right, top


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane of the greatest variance of some vectors.

    Attributes:
        mean: (d,), the mean of the vectors, which lies in the plane.
        axes: (2, d), orthonormal.
        share: the share of the variance that lies in the plane, in [0, 1].
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    share: float

    def project(self, vectors: FloatArray) -> NDArray[np.float64]:
        """Project vectors (n, d) to points (n, 2)."""
        return (vectors.astype(np.float64) - self.mean) @ self.axes.T


def fit_plane(vectors: FloatArray) -> Plane:
    """Fit the plane of the first two principal components of the rows of (m, d).

    The component of an axis with the greatest absolute value is positive. Without this rule, the
    map could flip from one run to the next.

    Raises:
        ValueError: there are fewer than 3 rows, or fewer than 2 dimensions.
    """
    if vectors.ndim != 2 or len(vectors) < 3 or vectors.shape[1] < 2:
        raise ValueError(f"want at least 3 vectors of 2 dimensions; got {vectors.shape}")
    rows = vectors.astype(np.float64)
    mean = rows.mean(axis=0)
    _, strengths, axes = np.linalg.svd(rows - mean, full_matrices=False)
    axes = axes[:2]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    variance = strengths**2
    share = float(variance[:2].sum() / variance.sum()) if variance.sum() > 0 else 0.0
    return Plane(mean, axes * np.where(largest < 0, -1.0, 1.0), share)


def place_names(points: FloatArray, sizes: FloatArray, frame: Box, gap: float) -> list[Box | None]:
    """Find a box for each name beside its point; None if no place is free.

    Names are placed in their order, so the first names are the most likely to get a box.

    Args:
        points: (m, 2).
        sizes: (m, 2), width and height of each name in the unit of the points.
        frame: the box within which all names stay.
        gap: distance of a name from its point.

    Returns:
        Boxes within the frame that do not overlap. Each keeps half the gap from every point.
    """
    half = gap / 2
    placed: list[Box] = [(x - half, y - half, x + half, y + half) for x, y in points.tolist()]
    result: list[Box | None] = []
    for (x, y), (width, height) in zip(points.tolist(), sizes.tolist(), strict=True):
        corners = _corners(x, y, width, height, gap)
        boxes = [(left, low, left + width, low + height) for left, low in corners]
        free = (box for box in boxes if _within(box, frame) and not _hits(box, placed))
        box = next(free, None)
        result.append(box)
        if box:
            placed.append(box)
    return result


def _corners(
    x: float, y: float, width: float, height: float, gap: float
) -> list[tuple[float, float]]:
    """The lower left corners to try: right, left, above, below, then the four diagonals."""
    middle, centre = y - height / 2, x - width / 2
    return [
        (x + gap, middle),
        (x - gap - width, middle),
        (centre, y + gap),
        (centre, y - gap - height),
        (x + gap, y + gap / 2),
        (x + gap, y - gap / 2 - height),
        (x - gap - width, y + gap / 2),
        (x - gap - width, y - gap / 2 - height),
    ]


def _within(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _hits(box: Box, others: Sequence[Box]) -> bool:
    left, low, right, top = box
    return any(left < r and right > le and low < t and top > lo for le, lo, r, t in others)
