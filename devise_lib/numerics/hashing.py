"""Random-hyperplane hashing: vectors of similar direction fall into the same bucket.

Source: M. Charikar, Similarity estimation techniques from rounding algorithms, 2002.
"""

import math

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

MAX_BITS = 62  # a bucket is a signed 64-bit integer


def hyperplanes(dimension: int, bits: int, tables: int, seed: int) -> NDArray[np.float32]:
    """Draws the normals of random hyperplanes: standard normal numbers, (tables * bits, dimension).

    The rows of table t are t * bits to (t + 1) * bits - 1. The same arguments give the same planes
    with one version of numpy only. A table of signatures therefore keeps the planes themselves.

    Args:
        dimension: of the vectors to hash, at least 1.
        bits: planes per hash table, from 1 to MAX_BITS.
        tables: the number of hash tables, at least 1.
        seed: of the random generator.

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
    """Returns the bucket of each vector in each hash table, (n, tables).

    Bit i of a bucket is 1 where the inner product of the vector with plane i of the table is above
    zero. The length of a vector does not matter.

    Products are summed in float64. In float32 the last bits depend on how many vectors one call
    has, so a vector close to a plane could change its bucket with the batch.

    Args:
        vectors: (n, d).
        planes: (tables * bits, d), as `hyperplanes` draws them.
        bits: planes per hash table.

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
    """Returns the probability that two vectors lie on the same side of a random hyperplane.

    The probability is 1 - angle / pi.

    Args:
        cosine: of the two vectors.

    Raises:
        ValueError: the cosine is not in [-1, 1].
    """
    if not -1.0 <= cosine <= 1.0:
        raise ValueError(f"the cosine is {cosine}, want it in [-1, 1]")
    return 1.0 - math.acos(cosine) / math.pi


def collision_probability(cosine: float, bits: int, tables: int) -> float:
    """Returns the probability that two vectors share a bucket in at least one hash table.

    The probability is 1 - (1 - p^bits)^tables, where p is the `bit_agreement` of the cosine. It is
    the expected recall of a search by buckets for neighbours of that cosine.

    Args:
        cosine: of the two vectors.
        bits: planes per hash table.
        tables: the number of hash tables.

    Raises:
        ValueError: the cosine is not in [-1, 1].
    """
    return 1.0 - (1.0 - bit_agreement(cosine) ** bits) ** tables
