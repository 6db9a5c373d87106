"""What random hyperplanes promise: how often near vectors share a bucket, and what bits tell.

Source: M. Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002. Two
vectors lie on the same side of a random hyperplane with probability 1 - angle / pi.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


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


def collision_probability(cosine: float, bits: int, tables: int, radius: int = 0) -> float:
    """Returns the probability that two vectors meet in at least one hash table.

    They meet in a table if at most `radius` of its bits differ; with radius 0 they share a bucket.
    One table has the probability sum over i <= radius of C(bits, i) p^(bits - i) (1 - p)^i, where p
    is the `bit_agreement` of the cosine. All tables have 1 - (1 - that)^tables.

    Args:
        cosine: of the two vectors.
        bits: planes per hash table.
        tables: the number of hash tables.
        radius: the bits that may differ.

    Raises:
        ValueError: the cosine is not in [-1, 1].
    """
    p = bit_agreement(cosine)
    ball = (math.comb(bits, i) * p ** (bits - i) * (1 - p) ** i for i in range(radius + 1))
    return 1.0 - (1.0 - math.fsum(ball)) ** tables


def tables_for(cosine: float, recall: float, bits: int) -> int:
    """Returns the least number of tables in which two vectors share a bucket with a probability.

    Args:
        cosine: of the two vectors, in [-1, 1].
        recall: the probability that is wanted, in [0, 1).
        bits: planes per hash table, at least 1.

    Raises:
        ValueError: a number is out of range, or no number of tables is enough.
    """
    one = collision_probability(cosine, bits, 1)
    if not 0.0 <= recall < 1.0 or bits < 1 or one <= 0.0:
        raise ValueError(
            f"want recall in [0, 1), bits >= 1 and a cosine above -1; got recall {recall}, bits "
            f"{bits}, cosine {cosine}"
        )
    if one == 1.0 or recall <= one:
        return 1
    return math.ceil(math.log1p(-recall) / math.log1p(-one) - 1e-12)


def cosine_of_distance(differing: ArrayLike, bits: int) -> NDArray[np.float64]:
    """Returns the cosines that Hamming distances tell: cos(pi * differing / bits).

    The angle is estimated without bias, and its cosine with a small one.

    Args:
        differing: numbers of differing bits, of any shape, in [0, bits].
        bits: of a signature.
    """
    return np.cos(math.pi * np.asarray(differing, np.float64) / bits)


def angle_deviation(cosine: float, bits: int) -> float:
    """Returns the standard deviation of the angle that differing bits tell, in radians.

    It is pi * sqrt(q (1 - q) / bits), where q = angle / pi is the probability that a bit differs.

    Args:
        cosine: of the two vectors.
        bits: of a signature, at least 1.

    Raises:
        ValueError: the cosine is not in [-1, 1].
    """
    q = 1.0 - bit_agreement(cosine)
    return math.pi * math.sqrt(q * (1.0 - q) / bits)


def most_differing(cosine: float, bits: int, deviations: float = 4.0) -> int:
    """Returns a number of bits that two vectors of at least this cosine almost never exceed.

    Args:
        cosine: of the two vectors.
        bits: of a signature.
        deviations: how many standard deviations above the expected number it lies.

    Raises:
        ValueError: the cosine is not in [-1, 1].
    """
    angle = math.acos(cosine) if -1.0 <= cosine <= 1.0 else math.nan
    wide = angle + deviations * angle_deviation(cosine, bits)
    return min(bits, math.ceil(bits * wide / math.pi))
