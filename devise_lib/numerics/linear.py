"""Affine maps from features to the space of words, and ridge regression in closed form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray, l2_normalize


@dataclass(frozen=True)
class Projection:
    """u = matrix @ feature + offset.

    Attributes:
        matrix: (d_word, d_visual), the M of the paper.
        offset: (d_word,); zero but for the standardisation of the features, folded in.
    """

    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]

    def embed(self, features: FloatArray) -> NDArray[np.float32]:
        """Features (n, d_visual) to unit embeddings (n, d_word)."""
        return l2_normalize(features.astype(np.float32) @ self.matrix.T + self.offset)


@dataclass(frozen=True)
class Moments:
    """Sums over rows of features X (n, d) and targets Y (n, m): all that ridge regression needs.

    They add, so each task sums its rows and the sums are summed; none is of the data's size.

    Attributes:
        n: rows.
        x, xx: sum of X (d,), X'X (d, d).
        y, xy: sum of Y (m,), X'Y (d, m).
    """

    n: int
    x: FloatArray
    xx: FloatArray
    y: FloatArray
    xy: FloatArray

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray) -> "Moments":
        """The sums over the rows of (n, d) and (n, m)."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        return cls(len(x), x.sum(0), x.T @ x, y.sum(0), x.T @ y)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.n + other.n,
            self.x + other.x,
            self.xx + other.xx,
            self.y + other.y,
            self.xy + other.xy,
        )

    def mean_and_deviation(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (d,) of X; a constant column has deviation 1."""
        mean = self.x / self.n
        variance = np.maximum(np.diag(self.xx) / self.n - mean**2, 0.0)
        deviation = np.sqrt(variance)
        return mean, np.where(deviation > 1e-6, deviation, 1.0)


def ridge(moments: Moments, strength: float) -> Projection:
    """Ridge regression from standardised features to targets; the targets are not centred.

    W = argmin ||Y - Z W'||^2 + strength ||W||^2 with Z = (X - mean) / deviation, folded back to
    the features as they come.

    Raises:
        ValueError: there are no rows, or `strength` is not positive.
    """
    if moments.n == 0 or strength <= 0:
        raise ValueError(f"want rows and a positive strength; got {moments.n}, {strength}")
    mean, deviation = moments.mean_and_deviation()
    n = moments.n
    zz = (moments.xx - n * np.outer(mean, mean)) / np.outer(deviation, deviation)
    zy = (moments.xy - np.outer(mean, moments.y)) / deviation[:, None]
    weights = np.linalg.solve(zz + strength * np.eye(len(mean)), zy).T  # (m, d)
    return fold_standardisation(weights, mean, deviation)


def fold_standardisation(
    weights: FloatArray, mean: FloatArray, deviation: FloatArray
) -> Projection:
    """The map of raw features that equals `weights` (m, d) on standardised ones."""
    matrix = weights / deviation
    return Projection(matrix.astype(np.float32), (-matrix @ mean).astype(np.float32))
