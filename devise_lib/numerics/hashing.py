"""Random-hyperplane hashing: vectors that point the same way fall into the same bucket.

Source: M. Charikar, Similarity estimation techniques from rounding algorithms, 2002.
"""

import math

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

MAX_BITS = 62  # a bucket is a signed 64-bit integer


def hyperplanes(dimension: int, bits: int, tables: int, seed: int) -> NDArray[np.float32]:
    """The normals of random hyperplanes, (tables * bits, dimension), standard normal numbers.

    The rows of table t are t * bits to (t + 1) * bits - 1. The same arguments give the same
    planes with one version of numpy; a table of signatures keeps the planes themselves.

    Raises:
        ValueError: a number is out of range.
    """
    if dimension < 1 or tables < 1 or not 1 <= bits <= MAX_BITS:
        raise ValueError(
            f"want dimension and tables >= 1 and bits in [1, {MAX_BITS}]; "
            f"got dimension {dimension}, tables {tables}, bits {bits}"
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.standard_normal((tables * bits, dimension), dtype=np.float32)


def buckets(vectors: FloatArray, planes: FloatArray, bits: int) -> NDArray[np.int64]:
    """The bucket of each vector in each table, (n, tables).

    Bit i of a bucket tells on which side of plane i of its table the vector lies:
    1 where the inner product is above zero. The length of a vector does not matter.

    Products are summed in float64: in float32 the last bits depend on how many vectors come in
    one call, and so a vector close to a plane would change its bucket with the batch.

    Args:
        vectors: (n, d).
        planes: (tables * bits, d), as `hyperplanes` makes them.
        bits: planes a table.

    Raises:
        ValueError: the shapes do not agree.
    """
    if vectors.ndim != 2 or planes.shape[1:] != vectors.shape[1:] or len(planes) % bits:
        raise ValueError(
            f"want vectors (n, d) and planes (tables * {bits}, d); "
            f"got {vectors.shape}, {planes.shape}"
        )
    sides = vectors.astype(np.float64) @ planes.astype(np.float64).T > 0  # (n, tables * bits)
    values = np.int64(1) << np.arange(bits, dtype=np.int64)  # (bits,)
    return sides.reshape(len(vectors), len(planes) // bits, bits) @ values


def bit_agreement(cosine: float) -> float:
    """The probability that two vectors of this cosine lie on the same side of a hyperplane.

    1 - angle / pi, in [0, 1].

    Raises:
        ValueError: the cosine is not in [-1, 1].
    """
    if not -1.0 <= cosine <= 1.0:
        raise ValueError(f"the cosine is {cosine}, want it in [-1, 1]")
    return 1.0 - math.acos(cosine) / math.pi


def collision_probability(cosine: float, bits: int, tables: int) -> float:
    """The probability that two vectors of this cosine share a bucket in at least one table.

    1 - (1 - p^bits)^tables, p being the agreement of one bit. A search by buckets finds a
    neighbour with this probability, which is its expected recall at that cosine.

    Raises:
        ValueError: the cosine is not in [-1, 1].
    """
    return 1.0 - (1.0 - bit_agreement(cosine) ** bits) ** tables
