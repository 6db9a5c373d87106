"""Says why a photo was found: what each part of a query adds to its score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import FloatArray, l2_normalize


@dataclass(frozen=True)
class WeightedQuery:
    """A query that is the sum of parts: words, photos, or both.

    Attributes:
        vector: (d,), unit L2 norm.
        parts: (p, d), unit L2 norm.
        weights: (p,), with which the parts are summed to `vector`; negative for what is not wanted.
    """

    vector: NDArray[np.float32]
    parts: NDArray[np.float32]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, parts: FloatArray, weights: FloatArray) -> "WeightedQuery":
        """Sums up parts.

        Args:
            parts: (p, d), of any length; at least one.
            weights: (p,).

        Raises:
            InputError: there is no part, or the parts cancel each other out.
        """
        if not len(parts) or weights.shape != parts.shape[:1]:
            raise InputError(f"want parts (p, d), weights (p,); got {parts.shape}, {weights.shape}")
        units = l2_normalize(parts.astype(np.float64))
        total = weights.astype(np.float64) @ units
        length = float(np.linalg.norm(total))
        if length <= 1e-6:
            raise InputError("the parts of the query cancel each other out: leave some out")
        vector, weights = total / length, weights / length
        return cls(vector.astype(np.float32), units.astype(np.float32), weights)

    def contributions(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Returns what each part adds to the cosine of each photo, (n, p). They sum up to it.

        Args:
            embeddings: (n, d), unit L2 norm.
        """
        return np.asarray(embeddings.astype(np.float64) @ self.parts.T * self.weights)
