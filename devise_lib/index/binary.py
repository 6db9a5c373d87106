"""Binary FAISS indexes of codes, which Hamming distance compares: made, measured and written.

A code is a row of bytes. FAISS hashes take its first bits, from the lowest bit of byte 0 on.

| kind | FAISS | a search compares a query with | memory per code |
|---|---|---|---|
| ivf | IndexBinaryIVF | the codes of the `nprobe` nearest lists | 57 B, of which 40 B are used |
| hash | IndexBinaryHash | those whose first `b` bits differ in at most `nflip` | 59 to 170 B |
| multi_hash | IndexBinaryMultiHash | the same, of any of `nhash` groups | 200 to 744 B |

Measured at a million codes of 256 bits, while an index is made and written. The larger figures of
hashes are those of `b` = 30, with which nearly every code has a bucket of its own. The smaller ones
are those of the `b` that is chosen from the number of codes. "multi_hash" had 8 groups.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import faiss
import numpy as np
from numpy.typing import NDArray

from devise_lib.index.index_file import in_threads

Codes = NDArray[np.uint8]
Rows = NDArray[np.int64]
K = 10  # results with which recall is measured
CHUNK = 65_536  # codes that are added or compared at once
POINTS_PER_LIST = 64  # codes of the sample for each list
LEAST_PER_LIST = 39  # Below, FAISS warns of badly placed centroids.
MOST_LISTS = 16_384  # so the sample has at most a million codes, which are 32 MiB
HASH_BUCKET, MULTI_HASH_BUCKET = 100, 8  # codes that share a bucket, if spread evenly


@dataclass(frozen=True)
class Wanted:
    """What to make.

    Attributes:
        kinds: of INDEXES.
        lists: of "ivf"; 0 takes about 2 sqrt(n). There are fewer where the sample is too small.
        probes: the lists of "ivf" that a search reads.
        hash_bits: b of "hash"; 0 fits it to the number of codes.
        multi_hash_tables: nhash of "multi_hash".
        multi_hash_bits: b of "multi_hash"; 0 fits it to the number of codes.
        flips: the bits in which the hash of a query may differ, for both kinds of hashes.
        queries: the most with which recall is measured.
        seed: of the sample and the centroids.
    """

    kinds: tuple[str, ...]
    lists: int
    probes: int
    hash_bits: int
    multi_hash_tables: int
    multi_hash_bits: int
    flips: int
    queries: int
    seed: int

    def lists_of(self, n: int) -> int:
        """Returns the number of lists that n codes ask for."""
        return min(self.lists or round(2 * math.sqrt(n)), MOST_LISTS)


@dataclass(frozen=True)
class Sample:
    """Rows of codes that the seed chooses, rising.

    Attributes:
        train: (t,), on which centroids are trained.
        queries: (q,), none of which trains.
    """

    train: Rows
    queries: Rows

    @classmethod
    def draw(cls, n: int, wanted: Wanted) -> "Sample":
        """Draws a sample of n codes: a tenth at most are queries.

        Raises:
            ValueError: there are fewer than two codes.
        """
        if n < 2:
            raise ValueError(f"want two codes at least, got {n}")
        queries = min(wanted.queries, max(n // 10, 1))
        train = min(POINTS_PER_LIST * wanted.lists_of(n), n - queries)
        rng = np.random.default_rng(wanted.seed)
        rows = _spread(n, train + queries, rng)
        is_query = np.zeros(len(rows), np.bool_)
        is_query[rng.permutation(len(rows))[:queries]] = True
        return cls(rows[~is_query], rows[is_query])


@dataclass(frozen=True)
class Asked:
    """Queries with their exact results. A query does not count as a result of its own.

    Attributes:
        codes: (q, bytes).
        own: (q,), the row of each query.
        farthest: (q,), the distance of the k-th result: what is as near counts as found.
        k: results per query.
    """

    codes: Codes
    own: Rows
    farthest: NDArray[np.int32]
    k: int

    @classmethod
    def of(cls, codes: Codes, own: Rows) -> "Asked":
        """Compares some rows with all codes, by FAISS's exact index of a part after the other."""
        k = min(K, len(codes) - 1)
        asked = np.ascontiguousarray(codes[own])
        nearest = np.empty((len(own), 0), np.int32)
        for part in _parts(codes):
            exact = faiss.IndexBinaryFlat(8 * codes.shape[1])
            exact.add(part)
            distances, _ = exact.search(asked, min(k + 1, len(part)))
            nearest = np.sort(np.concatenate([nearest, distances], axis=1), axis=1)[:, : k + 1]
        return cls(asked, own, nearest[:, k], k)  # The nearest is the query itself.


@dataclass(frozen=True)
class Quality:
    """How good an index is.

    Attributes:
        recall: the share of the exact k results that are found, in [0, 1].
        queries_per_s: of a search for all queries at once.
    """

    recall: float
    queries_per_s: float


def make_index(kind: str, codes: Codes, sample: Sample, wanted: Wanted) -> Any:
    """Returns the FAISS index of codes (n, bytes); its ids are their rows.

    The codes may be a mapped file: they are read a part at a time.
    """
    index = INDEXES[kind](codes, sample, wanted)
    for part in _parts(codes):
        index.add(part)
    return index


def parameters_of(index: Any) -> dict[str, int]:
    """Returns the parameters of an index by FAISS's names; its file has them as well."""
    names = ("nlist", "nprobe", "nhash", "b", "nflip")
    return {name: int(getattr(index, name)) for name in names if hasattr(index, name)}


def radius_of(parameters: Mapping[str, int]) -> int | None:
    """Returns the Hamming distance up to which a hash surely finds a code; None for an "ivf".

    A code that no group of bits finds differs from the query in `nflip` + 1 bits of each group.
    """
    if "nflip" not in parameters:
        return None
    return parameters.get("nhash", 1) * (parameters["nflip"] + 1) - 1


def measure(index: Any, asked: Asked, threads: int) -> Quality:
    """Returns the recall of an index, and its speed on some threads."""

    def search() -> tuple[NDArray[np.int32], Rows, float]:
        start = time.perf_counter()
        distances, rows = index.search(asked.codes, asked.k + 1)
        return distances, rows, time.perf_counter() - start

    in_threads(threads, search)  # so that what is timed finds its pages in memory
    distances, rows, seconds = in_threads(threads, search)
    others = np.where((rows < 0) | (rows == asked.own[:, None]), np.iinfo(np.int32).max, distances)
    others = np.sort(others, axis=1)[:, : asked.k]
    return Quality(float((others <= asked.farthest[:, None]).mean()), len(asked.codes) / seconds)


def write_index(index: Any, file: BinaryIO) -> None:
    """Writes an index to an open file, without seeking."""
    faiss.write_index_binary(index, faiss.PyCallbackIOWriter(file.write))


def _make_ivf(codes: Codes, sample: Sample, wanted: Wanted) -> Any:
    bits = 8 * codes.shape[1]
    lists = max(min(wanted.lists_of(len(codes)), len(sample.train) // LEAST_PER_LIST), 1)
    quantizer = faiss.IndexBinaryFlat(bits)
    index = faiss.IndexBinaryIVF(quantizer, bits, lists)
    index.cp.seed = wanted.seed
    index.train(np.ascontiguousarray(codes[sample.train]))
    index.nprobe = min(wanted.probes, lists)
    return index


def _make_hash(codes: Codes, _: Sample, wanted: Wanted) -> Any:
    n, width = codes.shape
    b = wanted.hash_bits or _bits_for(n, HASH_BUCKET, 8 * width)
    index = faiss.IndexBinaryHash(8 * width, b)
    index.nflip = min(wanted.flips, b)
    return index


def _make_multi_hash(codes: Codes, _: Sample, wanted: Wanted) -> Any:
    n, width = codes.shape
    most = 8 * width // wanted.multi_hash_tables
    b = wanted.multi_hash_bits or _bits_for(n, MULTI_HASH_BUCKET, most)
    index = faiss.IndexBinaryMultiHash(8 * width, wanted.multi_hash_tables, b)
    index.nflip = min(wanted.flips, b)
    return index


# The kinds, and what makes an empty index of each.
INDEXES: dict[str, Callable[[Codes, Sample, Wanted], Any]] = {
    "ivf": _make_ivf,
    "hash": _make_hash,
    "multi_hash": _make_multi_hash,
}


def _bits_for(n: int, bucket: int, most: int) -> int:
    return min(max(round(math.log2(n / bucket)), 1), most)


def _spread(n: int, count: int, rng: np.random.Generator) -> Rows:
    """Draws one of each of `count` equal ranges of n rows, in memory of the rows drawn alone."""
    bounds = np.arange(count + 1, dtype=np.int64) * n // count
    return rng.integers(bounds[:-1], bounds[1:])


def _parts(codes: Codes) -> Iterator[Codes]:
    for start in range(0, len(codes), CHUNK):
        yield np.ascontiguousarray(codes[start : start + CHUNK])
