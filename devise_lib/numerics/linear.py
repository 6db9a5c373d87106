"""Maps from features to the space of words, and what is compared there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray, l2_normalize


@dataclass(frozen=True)
class Affine:
    """y = matrix @ x + offset.

    Attributes:
        matrix: (d_out, d_in).
        offset: (d_out,).
    """

    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (n, d_in) to (n, d_out)."""
        return rows @ self.matrix.T + self.offset


@dataclass(frozen=True)
class Projection:
    """From features to the space of words: one affine map, or several with ReLU between them.

    Attributes:
        layers: one alone is the M of the paper, with the features' standardisation folded in.
    """

    layers: tuple[Affine, ...]

    def embed(self, features: FloatArray) -> NDArray[np.float32]:
        """Features (n, d_visual) to unit embeddings (n, d_word)."""
        rows = self.layers[0](features.astype(np.float32))
        for layer in self.layers[1:]:
            rows = layer(np.maximum(rows, 0.0))
        return l2_normalize(rows)


@dataclass(frozen=True)
class Compatibility:
    """How well photos and labels fit: the cosine of what both are mapped to.

    Attributes:
        image: features to the space where they are compared.
        label: (e, d_word) label vectors to that space; None where it is the space of words.
    """

    image: Projection
    label: NDArray[np.float32] | None = None

    def scores(self, features: FloatArray, vectors: FloatArray) -> NDArray[np.float32]:
        """Features (n, d_visual) and label vectors (m, d_word) to cosines (n, m)."""
        mapped = vectors if self.label is None else vectors @ self.label.T
        return self.image.embed(features) @ l2_normalize(mapped.astype(np.float32)).T


def fold_standardisation(weights: FloatArray, mean: FloatArray, deviation: FloatArray) -> Affine:
    """The map of raw features that equals `weights` (m, d) on standardised ones."""
    matrix = weights / deviation
    return Affine(matrix.astype(np.float32), (-matrix @ mean).astype(np.float32))
