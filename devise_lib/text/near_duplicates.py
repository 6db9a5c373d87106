"""Finds near-duplicate texts by MinHash and banding, so that a join of a table on equal bands finds
them.

Every hash is the same in every process and on every machine, so rows that different workers signed
can be compared.

Source: A. Broder, On the resemblance and containment of documents, 1997.
"""

import hashlib
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from devise_lib.errors import InputError

_SEED = 1
_WEIGHTS = (0.1, 0.9)  # of false and of missed pairs, explained in `band_and_rows`
_BATCH = 1 << 12  # shingles hashed at once: with 64 permutations they fill 2 MB of cache
# Odd 64-bit multiplier (2^64 / golden ratio) of the rolling hash of a shingle's words.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def signature(tokens: Sequence[str], num_perm: int, shingle: int) -> NDArray[np.uint64]:
    """Returns the MinHash of a text's shingles, shape (num_perm,).

    The expected share of equal numbers in two signatures is the Jaccard similarity of the two sets
    of shingles. Its standard deviation is at most 0.5 / sqrt(num_perm).

    Args:
        tokens: the words of the text. Fewer than `shingle` make one shingle. All empty texts have
            the same signature.
        num_perm: the number of permutations.
        shingle: words per shingle.

    Raises:
        InputError: num_perm or shingle is below 1.
    """
    if num_perm < 1 or shingle < 1:
        raise InputError(f"num_perm is {num_perm}, shingle {shingle}: want both at least 1")
    minhash = _empty(num_perm).copy()
    hashes = _shingle_hashes(tokens, shingle)
    for start in range(0, len(hashes), _BATCH):
        minhash.update_batch(hashes[start : start + _BATCH].tolist())
    return minhash.hashvalues.astype(np.uint64)


def band_and_rows(threshold: float, num_perm: int) -> tuple[int, int]:
    """Returns (bands, rows), chosen by datasketch for texts of Jaccard similarity `threshold` or
    more.

    Two texts of similarity s share a band with probability 1 - (1 - s^rows)^bands, and bands * rows
    is at most num_perm. Texts that share a band are compared by their signatures anyway. A missed
    pair therefore counts nine times as much as a needless comparison. At threshold 0.8 and 64
    permutations, 99.7 % of the texts of similarity 0.9 share a band (with equal weights: 85 %).

    Args:
        threshold: in (0, 1].
        num_perm: the length of the signatures, at least 2.

    Raises:
        InputError: threshold is not in (0, 1], or num_perm is below 2.
    """
    if not 0.0 < threshold <= 1.0 or num_perm < 2:
        raise InputError(
            f"threshold is {threshold}, want above 0 and at most 1; num_perm is {num_perm}, "
            "want at least 2"
        )
    try:
        lsh = MinHashLSH(threshold=threshold, num_perm=num_perm, weights=_WEIGHTS)
    except ValueError:  # it refuses a single band, which a threshold near 1 would need
        return 2, num_perm // 2
    return int(lsh.b), int(lsh.r)


def band_hashes(signature: NDArray[np.uint64], bands: int, rows: int) -> list[int]:
    """Returns one signed 64-bit hash per band of a signature; equal bands have equal hashes.

    The number of the band is part of its hash, so one column can hold the hashes of all bands.

    Raises:
        InputError: the signature is shorter than bands * rows.
    """
    if len(signature) < bands * rows:
        raise InputError(
            f"{bands} bands of {rows} rows want a signature of {bands * rows}, got {len(signature)}"
        )
    values = np.ascontiguousarray(signature[: bands * rows], dtype="<u8").reshape(bands, rows)
    return [_hash_band(number, row.tobytes()) for number, row in enumerate(values)]


def _hash_band(number: int, values: bytes) -> int:
    digest = hashlib.blake2b(values, digest_size=8, salt=number.to_bytes(16, "little")).digest()
    return int.from_bytes(digest, "little", signed=True)


def _shingle_hashes(tokens: Sequence[str], shingle: int) -> NDArray[np.uint64]:
    """Returns a 64-bit hash for each distinct shingle."""
    hashes = {word: zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in set(tokens)}
    of_words = np.fromiter(map(hashes.__getitem__, tokens), np.uint64, count=len(tokens))
    if not len(of_words):
        return of_words
    width = min(shingle, len(of_words))
    places = len(of_words) - width + 1
    rolled = np.zeros(places, dtype=np.uint64)
    for offset in range(width):
        rolled = rolled * _MULTIPLIER + of_words[offset : offset + places] + np.uint64(1)
    return np.unique(rolled)


@cache
def _empty(num_perm: int) -> MinHash:
    return MinHash(num_perm=num_perm, seed=_SEED, hashfunc=_as_it_is, scheme="affine64")


def _as_it_is(value: int) -> int:
    return value
