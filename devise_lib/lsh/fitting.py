"""Makes a hash: random hyperplanes as they are, or fitted to a sample of the vectors.

| kind | hyperplanes | thresholds | for |
|---|---|---|---|
| hyperplanes | random | 0 | the promise of the theory, for the cosine itself |
| centred | random | the product with the mean | vectors in a cone, whose bits are almost constant |
| median | random | the median of each bit | bits that are 1 for half of the vectors |
| pca | a random rotation of the first principal axes | as centred | bits that are not correlated |
| itq | a rotation learned on these axes | as centred | more neighbours per bucket |

Sources: M. Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002; Y. Gong
and S. Lazebnik, Iterative quantization, CVPR 2011, section 2.2.
"""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from devise_lib.hash_kinds import HashKind
from devise_lib.lsh.hashing import MAX_BITS, SIGNATURE_BITS, Hash, random_planes
from devise_lib.numerics.vectors import FloatArray

FITTED: tuple[HashKind, ...] = ("centred", "median", "pca", "itq")  # want a sample
ITQ_ROUNDS = 50
BELOW = 1e-9  # far above the last bits of a sum, and far below what tells two photos


def make_hash(
    kind: HashKind, dimension: int, bits: int, tables: int, seed: int, sample: FloatArray
) -> Hash:
    """Makes a hash; the same arguments give the same one with one version of numpy.

    Args:
        kind: of the table above.
        dimension: of the vectors, at least 1.
        bits: planes per hash table, from 1 to MAX_BITS.
        tables: the number of hash tables, at least 1.
        seed: of the random numbers.
        sample: (n, dimension), vectors to fit to; one of no rows for "hyperplanes".

    Raises:
        ValueError: a number is out of range, the sample is too small, or "pca" and "itq" have more
            bits than the vectors have numbers.
    """
    if kind not in get_args(HashKind) or dimension < 1 or tables < 1 or not 1 <= bits <= MAX_BITS:
        raise ValueError(
            f"want a kind of {get_args(HashKind)}, dimension and tables >= 1 and bits in "
            f"[1, {MAX_BITS}]; got {kind!r}, {dimension}, {tables}, {bits}"
        )
    # A generator of its own, so that all kinds have the same signatures.
    of_signatures = np.random.Generator(np.random.PCG64([seed, 1]))
    signature_planes = random_planes(of_signatures, SIGNATURE_BITS, dimension)
    rng = np.random.Generator(np.random.PCG64(seed))
    if kind == "hyperplanes":
        planes = random_planes(rng, tables, bits, dimension)
        return Hash(planes, np.zeros((tables, bits)), signature_planes)
    if sample.ndim != 2 or sample.shape[1] != dimension or not len(sample):
        raise ValueError(f"want a sample (n, {dimension}) with n >= 1; got {sample.shape}")
    wide = sample.astype(np.float64)
    if kind in ("pca", "itq"):
        planes = _rotated_axes(wide, bits, tables, rng, learn=kind == "itq")
    else:
        planes = random_planes(rng, tables, bits, dimension)
    normals = planes.reshape(-1, dimension).astype(np.float64)
    if kind == "median":
        thresholds = _medians(wide @ normals.T)
    else:  # Just below, since vectors that are all the mean would lie at the threshold itself.
        thresholds = normals @ wide.mean(axis=0) - BELOW
    return Hash(planes, thresholds.reshape(tables, bits), signature_planes)


def _medians(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a threshold for each column that about half of its values exceed.

    It lies between two different values. A vector at the threshold itself would change its side
    with the last bit of a sum.
    """
    thresholds = np.empty(products.shape[1])
    for column, values in enumerate(products.T):
        distinct, counts = np.unique(values, return_counts=True)
        below = np.cumsum(counts)[:-1]  # of each gap between distinct values
        if not len(below):
            thresholds[column] = distinct[0] - 1.0
            continue
        gap = int(np.argmin(np.abs(2 * below - len(values))))
        thresholds[column] = (distinct[gap] + distinct[gap + 1]) / 2
    return thresholds


def _rotated_axes(
    sample: NDArray[np.float64], bits: int, tables: int, rng: np.random.Generator, *, learn: bool
) -> NDArray[np.float32]:
    """Returns planes (tables, bits, d): the first `bits` principal axes, rotated for each table."""
    dimension = sample.shape[1]
    if bits > dimension:
        raise ValueError(
            f"the kinds pca and itq have at most one bit per number of a vector: want bits <= "
            f"{dimension}; got {bits}"
        )
    centred = sample - sample.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)  # columns, the least variance first
    axes = axes[:, ::-1][:, :bits]  # (d, bits)
    scores = centred @ axes
    planes = []
    for _ in range(tables):
        rotation, _ = np.linalg.qr(rng.standard_normal((bits, bits)))
        if learn:
            rotation = itq_rotation(scores, rotation)
        planes.append((axes @ rotation).T)
    return np.stack(planes).astype(np.float32)


def itq_rotation(
    scores: NDArray[np.float64], rotation: NDArray[np.float64], rounds: int = ITQ_ROUNDS
) -> NDArray[np.float64]:
    """Returns the rotation that brings centred scores near to the corners of a cube.

    Each round takes the nearest corners, and then the rotation that fits best to these.

    Args:
        scores: (n, bits), centred.
        rotation: (bits, bits), orthogonal; where to start.
        rounds: their number.
    """
    for _ in range(rounds):
        corners = np.where(scores @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(corners.T @ scores)
        rotation = right.T @ left.T
    return rotation
