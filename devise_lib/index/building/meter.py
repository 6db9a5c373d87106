"""Measures recall and speed of an index file at some search settings."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.building.memory import mapped_bytes
from devise_lib.index.building.truth import Truth
from devise_lib.index.index_file import IndexFile, in_threads
from devise_lib.index.settings import Point, SearchSettings
from devise_lib.numerics.retrieval import drop_self_matches
from devise_lib.numerics.vectors import FloatArray

Z = 1.96  # of the normal distribution, for an interval that holds the mean in 95 of 100 cases
CHUNK = 64  # queries that are searched at once
TIMED = 256  # queries whose time is measured, at most
REPEATS, LONG_S = 5, 0.1  # a search is timed so often, unless it takes so long, in seconds
ALONE = 32  # queries that are searched one by one, for the latency
TOLERANCE = 1e-5  # the last bits in which two ways to sum a product of float32 vectors differ


@dataclass(frozen=True)
class Asked:
    """Queries with their exact results.

    Attributes:
        vectors: (q, d).
        own: (q,), the row of each in the index, which does not count as a result; -1 for none.
        right: (q, m), the rows that count as found: the exact k results, and others with the score
            of the k-th; -2 fills the rest.
        k: the number of exact results; 0 if the index holds no other vector.
    """

    vectors: FloatArray
    own: NDArray[np.int64]
    right: NDArray[np.int64]
    k: int

    @classmethod
    def of(cls, vectors: FloatArray, truth: Truth) -> "Asked":
        """Returns the queries with their truth."""
        if not truth.k:
            return cls(vectors, truth.own, truth.rows, 0)
        least = truth.scores[:, truth.k - 1, None] - TOLERANCE
        right = np.where(truth.scores >= least, truth.rows, -2)
        return cls(vectors, truth.own, right, truth.k)

    def halves(self) -> tuple["Asked", "Asked"]:
        """Returns every other query, and the rest; a single query is in both."""
        if len(self.vectors) == 1:
            return self, self
        return self.some(slice(0, None, 2)), self.some(slice(1, None, 2))

    def some(self, chosen: slice) -> "Asked":
        """Returns some of the queries."""
        return Asked(self.vectors[chosen], self.own[chosen], self.right[chosen], self.k)


class Meter:
    """Measures points of an index file within a bound of mapped memory."""

    def __init__(self, index: IndexFile, threads: int, max_mapped: float = math.inf) -> None:
        """Takes an index.

        Args:
            index: the file, open.
            threads: for many queries at once.
            max_mapped: the bytes of the file that may be in memory at once. The pages that were
                read are given back when there are more.
        """
        self._index, self.threads, self._max_mapped = index, threads, max_mapped

    def recalls(self, asked: Asked, settings: SearchSettings) -> NDArray[np.float64]:
        """Returns the recall of each query, in [0, 1]."""
        chunks = self._chunks(asked, settings)
        return np.concatenate([self._recalls(part, settings) for part in chunks])

    def point(self, asked: Asked, settings: SearchSettings) -> Point:
        """Returns recall and speed of some settings.

        A query is searched before its time is measured, so what is measured is a search of pages
        that are in memory.
        """
        recalls, spent, timed = [], 0.0, 0
        for part in self._chunks(asked, settings):
            recalls.append(self._recalls(part, settings))
            if timed < TIMED:
                spent += self._seconds(part.vectors, part.k, settings, self.threads)
                timed += len(part.vectors)
        alone = next(self._chunks(asked, settings)).vectors[:ALONE]
        self._index.search(alone, asked.k, settings)
        each = sum(self._seconds(query[None], asked.k, settings, 1) for query in alone)
        mean, half = mean_and_half_width(np.concatenate(recalls))
        return Point(
            settings=settings,
            recall=mean,
            low=max(0.0, mean - half),
            high=min(1.0, mean + half),
            queries_per_s=timed / spent,
            latency_ms=1000 * each / len(alone),
        )

    def _recalls(self, asked: Asked, settings: SearchSettings) -> NDArray[np.float64]:
        rows, scores = self._index.search(asked.vectors, asked.k + 1, settings)
        others, _ = drop_self_matches(rows, scores, asked.own)
        hits = (others[:, :, None] == asked.right[:, None, :]).any(axis=2)
        return np.count_nonzero(hits, axis=1) / asked.k

    def _seconds(
        self, queries: FloatArray, k: int, settings: SearchSettings, threads: int
    ) -> float:
        """Returns the time of a search; the least of several for a short one."""

        def search() -> float:
            times: list[float] = []
            while len(times) < REPEATS and sum(times) < LONG_S:
                start = time.perf_counter()
                self._index.search(queries, k, settings)
                times.append(time.perf_counter() - start)
            return min(times)

        return float(in_threads(threads, search))

    def _chunks(self, asked: Asked, settings: SearchSettings) -> Iterator[Asked]:
        """Yields queries that may be searched at once."""
        size, share = self._index.path.stat().st_size, min(settings.nprobe / self._index.nlist, 1.0)
        count = len(asked.vectors)
        for some in slices_within(count, size * share, self._max_mapped, self._index.reopen):
            yield asked.some(some)


def slices_within(
    queries: int, each: float, max_mapped: float, give_back: Callable[[], None]
) -> Iterator[slice]:
    """Yields slices of queries so that a search of each reads an eighth of `max_mapped`.

    They are smaller than they seem to need, because the lists that many queries probe are larger
    than the mean.

    Args:
        queries: their number.
        each: the bytes that a query reads, if its lists are of mean size.
        max_mapped: the bytes that may be in memory at once.
        give_back: gives back the pages that were read. It is called where they are too many.
    """
    count = int(max(1, min(CHUNK, max_mapped / 8 / max(each, 1.0))))
    for start in range(0, queries, count):
        if mapped_bytes() > max_mapped / 4:
            give_back()
        yield slice(start, start + count)


def mean_and_half_width(values: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the mean of values (q,), and half of the width of its 95 % confidence interval.

    The interval is that of the normal distribution, which means of many values follow.
    """
    if len(values) < 2:
        return float(values.mean()), 0.0
    return float(values.mean()), float(Z * values.std(ddof=1) / math.sqrt(len(values)))
