"""How often pairs of vectors share a bucket, beside what random hyperplanes promise.

python benchmarks/lsh_promise.py [PAIRS] [HASHES]

PAIRS random pairs of 128 numbers have each cosine, and each of HASHES hashes has planes of its own.
The error is two standard errors of the mean over hashes, since all pairs of a hash share planes.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from devise_lib.lsh.fitting import make_hash  # noqa: E402 - found by the line above
from devise_lib.lsh.theory import collision_probability  # noqa: E402

DIMENSION = 128
SIZES = ((12, 8), (16, 16), (18, 37), (24, 29), (24, 94))  # bits, tables
COSINES = (0.99, 0.95, 0.9, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="?", type=int, default=2_000)
    parser.add_argument("hashes", nargs="?", type=int, default=10)
    args = parser.parse_args()
    pairs, hashes = args.pairs, args.hashes
    print("| bits | tables |" + "".join(f" {c}: measured, promised |" for c in COSINES))
    print("|---|---|" + "---|" * len(COSINES))
    for bits, tables in SIZES:
        cells = []
        for cosine in COSINES:
            shares = [meeting(cosine, bits, tables, pairs, seed) for seed in range(hashes)]
            error = 2 * float(np.std(shares, ddof=1)) / math.sqrt(hashes)
            promised = collision_probability(cosine, bits, tables)
            cells.append(f" {np.mean(shares):.3f} +- {error:.3f}, {promised:.3f} |")
        print(f"| {bits} | {tables} |" + "".join(cells), flush=True)


def meeting(cosine: float, bits: int, tables: int, pairs: int, seed: int) -> float:
    """Returns the share of pairs that share a bucket in at least one table of one hash."""
    first, second = pairs_at(cosine, pairs, np.random.default_rng(seed))
    made = make_hash("hyperplanes", DIMENSION, bits, tables, seed, np.empty((0, DIMENSION)))
    return float((made.codes(first) == made.codes(second)).any(axis=1).mean())


def pairs_at(
    cosine: float, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns n pairs of unit vectors of one cosine, in random directions."""
    first = rng.standard_normal((n, DIMENSION))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    other = rng.standard_normal((n, DIMENSION))
    other -= np.sum(first * other, axis=1, keepdims=True) * first
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return first, cosine * first + math.sqrt(1 - cosine**2) * other


if __name__ == "__main__":
    main()
