"""Maps from features and label vectors to the space where they are compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray, l2_normalize


@dataclass(frozen=True)
class Affine:
    """The affine map y = matrix @ x + offset.

    Attributes:
        matrix: (d_out, d_in).
        offset: (d_out,).
    """

    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps rows (n, d_in) to rows (n, d_out)."""
        return rows @ self.matrix.T + self.offset


@dataclass(frozen=True)
class Projection:
    """A map from features to the space of words: affine layers with ReLU between them.

    Attributes:
        layers: one or more. A single layer is the M of the DeViSE paper, with the standardisation
            of the features folded in.
    """

    layers: tuple[Affine, ...]

    def embed(self, features: FloatArray) -> NDArray[np.float32]:
        """Maps features (n, d_visual) to unit embeddings (n, d_word)."""
        rows = self.layers[0](features.astype(np.float32))
        for layer in self.layers[1:]:
            rows = layer(np.maximum(rows, 0.0))
        return l2_normalize(rows)


@dataclass(frozen=True)
class Compatibility:
    """The fit of photos and labels: the cosine of what both are mapped to.

    Attributes:
        image: maps features to the space of comparison.
        label: (e, d_word), maps label vectors to the space of comparison; None if this is the space
            of words.
    """

    image: Projection
    label: NDArray[np.float32] | None = None

    def scores(self, features: FloatArray, vectors: FloatArray) -> NDArray[np.float32]:
        """Returns the cosines (n, m) of features (n, d_visual) and label vectors (m, d_word)."""
        mapped = vectors if self.label is None else vectors @ self.label.T
        return self.image.embed(features) @ l2_normalize(mapped.astype(np.float32)).T


def fold_standardisation(weights: FloatArray, mean: FloatArray, deviation: FloatArray) -> Affine:
    """Returns the map of raw features that equals `weights` on standardised features.

    Args:
        weights: (m, d), applied to (x - mean) / deviation.
        mean, deviation: (d,), of the features.
    """
    matrix = weights / deviation
    return Affine(matrix.astype(np.float32), (-matrix @ mean).astype(np.float32))
