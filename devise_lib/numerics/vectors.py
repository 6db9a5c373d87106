"""Operations on vectors that are the rows of a matrix (n, d)."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.floating[Any]]


def stack_rows(rows: Sequence[ArrayLike | None], dimension: int) -> NDArray[np.float32]:
    """Stacks vectors of one length into a float32 matrix (len(rows), dimension).

    No rows give a matrix (0, dimension).

    Args:
        rows: one vector each, as lists or arrays.
        dimension: the length that every row must have.

    Raises:
        ValueError: a row is null or has another length; the message names the first such row.
    """
    matrix = np.empty((len(rows), dimension), dtype=np.float32)
    for place, row in enumerate(rows):
        if row is None:
            raise ValueError(f"row {place} is null, want a vector of length {dimension}")
        vector = np.asarray(row)
        if vector.shape != (dimension,):
            raise ValueError(
                f"row {place} has shape {vector.shape}, want a vector of length {dimension}"
            )
        matrix[place] = vector
    return matrix


def l2_normalize(vectors: FloatArray) -> FloatArray:
    """Divides each row of (n, d) by its L2 norm; a row of zeros stays zeros.

    Each row is first divided by its largest absolute number. Rows of very large or very small
    numbers therefore get unit norm, too.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)  # (n, 1)
    scaled = np.divide(vectors, largest, out=np.zeros_like(vectors), where=largest > 0)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)  # (n, 1), at least 1 unless all zeros
    return np.divide(scaled, norms, out=np.zeros_like(vectors), where=norms > 0)


def random_unit_vector(name: str, dimension: int, seed: int) -> NDArray[np.float32]:
    """Returns a random vector (dimension,) of unit L2 norm, uniform on the sphere.

    It is a control that knows nothing of what the name means.

    The vector depends on the name, the dimension and the seed alone. Other names do not matter,
    because a digest of name and seed seeds a separate generator. Independent normal numbers have no
    preferred direction, so they are uniform on the sphere once scaled to unit norm.

    Args:
        name: any text.
        dimension: at least 1.
        seed: not negative.

    Source: the control "random embedding" of Frome et al., DeViSE, NIPS 2013, section 4; M. E.
    Muller, A note on a method for generating points uniformly on n-dimensional spheres, 1959.
    """
    digest = hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogatepass")).digest()
    vector = np.random.default_rng(int.from_bytes(digest, "big")).standard_normal(dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)
