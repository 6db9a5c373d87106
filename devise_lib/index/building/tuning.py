"""Chooses the search settings that keep a promise, by measuring recall and speed of queries."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.building.memory import mapped_bytes
from devise_lib.index.building.merging import Truth
from devise_lib.index.index_file import IndexFile, in_threads
from devise_lib.index.settings import Point, SearchSettings
from devise_lib.numerics.retrieval import drop_self_matches
from devise_lib.numerics.vectors import FloatArray

Z = 1.96  # of the normal distribution, for an interval that holds the mean in 95 of 100 cases
CHUNK = 64  # queries that are searched at once
TIMED = 256  # queries whose time is measured, at most
REPEATS, LONG_S = 5, 0.1  # a search is timed so often, unless it takes so long, in seconds
ALONE = 32  # queries that are searched one by one, for the latency
ENOUGH = 0.995  # a curve ends at this recall, or at the target if that is higher
FACTORS = (1, 2, 4, 8, 16, 32, 64)  # of k, for an index with refinement
TOLERANCE = 1e-5  # the last bits in which two ways to sum a product of float32 vectors differ


@dataclass(frozen=True)
class Goal:
    """What an index is tuned to.

    Attributes:
        recall: the least recall; 0 for the best within the latency.
        latency_ms: the longest time of a query; 0 for any.
    """

    recall: float
    latency_ms: float

    def keeps_recall(self, point: Point) -> bool:
        """Tells whether the whole confidence interval lies at or above the recall."""
        return point.low >= self.recall

    def keeps_latency(self, point: Point) -> bool:
        """Tells whether a query takes no longer than the latency."""
        return not self.latency_ms or point.latency_ms <= self.latency_ms


@dataclass(frozen=True)
class Tuned:
    """The chosen settings.

    Attributes:
        point: measured on queries that the choice has not seen.
        curve: all points that were measured for the choice, on the other queries, by rising recall.
        queries: the number of queries for `point`.
        k: the number of results that count.
        threads: with which queries_per_s was measured.
    """

    point: Point
    curve: tuple[Point, ...]
    queries: int
    k: int
    threads: int

    def to_json(self) -> str:
        """Returns one line that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Tuned":
        """Reads what `to_json` returned."""
        values = json.loads(text)
        curve = tuple(Point.from_dict(point) for point in values["curve"])
        return cls(**{**values, "point": Point.from_dict(values["point"]), "curve": curve})


@dataclass(frozen=True)
class Asked:
    """Queries with their exact results.

    Attributes:
        vectors: (q, d).
        own: (q,), the row of each in the index, which does not count as a result; -1 for none.
        least: (q,), the least score of the exact k results. A found score counts if it reaches it.
        k: the number of exact results; 0 if the index holds no other vector.
    """

    vectors: FloatArray
    own: NDArray[np.int64]
    least: NDArray[np.float32]
    k: int

    @classmethod
    def of(cls, vectors: FloatArray, truth: Truth) -> "Asked":
        """Returns the queries with their truth."""
        k = truth.scores.shape[1]
        least = truth.scores.min(axis=1, initial=np.inf) - TOLERANCE
        return cls(vectors, truth.own, least.astype(np.float32), k)

    def halves(self) -> tuple["Asked", "Asked"]:
        """Returns every other query, and the rest; a single query is in both."""
        if len(self.vectors) == 1:
            return self, self
        return self._some(slice(0, None, 2)), self._some(slice(1, None, 2))

    def _some(self, chosen: slice) -> "Asked":
        return Asked(self.vectors[chosen], self.own[chosen], self.least[chosen], self.k)


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
        return np.concatenate([self._recalls(part, settings) for part in self._chunks(asked)])

    def point(self, asked: Asked, settings: SearchSettings) -> Point:
        """Returns recall and speed of some settings.

        A query is searched before its time is measured, so what is measured is a search of pages
        that are in memory.
        """
        recalls, spent, timed = [], 0.0, 0
        for part in self._chunks(asked):
            recalls.append(self._recalls(part, settings))
            if timed < TIMED:
                spent += self._seconds(part.vectors, part.k, settings, self.threads)
                timed += len(part.vectors)
        alone = asked.vectors[:ALONE]
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
        _, others = drop_self_matches(rows, scores, asked.own)
        return np.count_nonzero(others >= asked.least[:, None], axis=1) / asked.k

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

    def _chunks(self, asked: Asked) -> Iterator[Asked]:
        for start in range(0, len(asked.vectors), CHUNK):
            if mapped_bytes() > self._max_mapped:
                self._index.reopen()
            chosen = slice(start, start + CHUNK)
            yield Asked(asked.vectors[chosen], asked.own[chosen], asked.least[chosen], asked.k)


def tune(meter: Meter, index: IndexFile, asked: Asked, goal: Goal) -> Tuned:
    """Finds the cheapest settings that keep the goal, and measures them on other queries.

    Half of the queries choose, the other half measures.

    Args:
        meter: of the index.
        index: to tune.
        asked: the queries.
        goal: what is to be kept.

    Raises:
        InputError: no settings keep the goal; says which would come nearest, and what to change.
    """
    if not asked.k:  # A single photo has no neighbour to miss.
        only = Point(SearchSettings(1), 1.0, 1.0, 1.0, 0.0, 0.0)
        return Tuned(only, (only,), len(asked.vectors), 0, meter.threads)
    choosing, checking = asked.halves()
    curve = explore(lambda settings: meter.point(choosing, settings), index, goal)
    chosen = choose(curve, goal)
    return Tuned(
        point=meter.point(checking, chosen.settings),
        curve=tuple(sorted(curve, key=lambda point: (point.recall, -point.queries_per_s))),
        queries=len(checking.vectors),
        k=asked.k,
        threads=meter.threads,
    )


def explore(
    measure: Callable[[SearchSettings], Point], index: IndexFile, goal: Goal
) -> list[Point]:
    """Measures the settings among which the choice lies.

    For each factor of refinement, nprobe is doubled until the recall is high enough or no longer
    grows. Then the least nprobe that keeps the goal is found by bisection.
    """
    found: dict[SearchSettings, Point] = {}

    def at(factor: int, nprobe: int) -> Point:
        ef_search = max(64, 2 * nprobe) if index.has_graph else 0
        settings = SearchSettings(nprobe, ef_search, factor)
        if settings not in found:
            found[settings] = measure(settings)
        return found[settings]

    best = -1.0
    for factor in FACTORS if index.has_refinement else (0,):
        at_nprobe = partial(at, factor)
        last = _double(at_nprobe, index.nlist, goal)
        _bisect(at_nprobe, last, goal)
        if last.recall < best + 0.001:  # More results to rank anew find no more.
            break
        best = last.recall
    if index.has_graph:
        _search_graph_less(found, measure, goal)
    return list(found.values())


def choose(curve: Sequence[Point], goal: Goal) -> Point:
    """Returns the fastest point that keeps the goal; without a recall, the one of most recall.

    Raises:
        InputError: no point keeps the goal.
    """
    kept = [point for point in curve if goal.keeps_recall(point) and goal.keeps_latency(point)]
    if kept and goal.recall:
        return max(kept, key=lambda point: point.queries_per_s)
    if kept:
        return max(kept, key=lambda point: (point.recall, point.queries_per_s))
    most = max(curve, key=lambda point: point.low)
    if not goal.keeps_recall(most):
        raise InputError(
            f"no search settings reach recall_target {goal.recall}: the most is {most.recall:.3f} "
            f"({most.low:.3f} to {most.high:.3f}) at {most.settings}. The codes lose the rest: "
            "give an index_key with more bytes per vector (SQ8, SQfp16 or Flat in place of PQ, a "
            "longer PQ, or RFlat or Refine(SQ8) at its end), a larger budget, more queries for a "
            "narrower interval, or a lower recall_target"
        )
    wanted = [point for point in curve if goal.keeps_recall(point)]
    quick = min(wanted or curve, key=lambda point: point.latency_ms)
    raise InputError(
        f"no search settings answer within max_latency_ms {goal.latency_ms}"
        + (f" with recall_target {goal.recall}" if goal.recall else "")
        + f": the fastest take {quick.latency_ms:.2f} ms at {quick.settings}; raise it, or lower "
        "recall_target"
    )


def mean_and_half_width(values: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the mean of values (q,), and half of the width of its 95 % confidence interval.

    The interval is that of the normal distribution, which means of many values follow.
    """
    if len(values) < 2:
        return float(values.mean()), 0.0
    return float(values.mean()), float(Z * values.std(ddof=1) / math.sqrt(len(values)))


def _double(at: Callable[[int], Point], nlist: int, goal: Goal) -> Point:
    """Doubles nprobe from 1 on, until enough is found; returns the last point."""
    enough = max(ENOUGH, goal.recall)
    nprobe, before = 1, -1.0
    while True:
        point = at(nprobe)
        is_flat = point.recall <= before + 0.0005 and not goal.keeps_recall(point) and nprobe > 64
        if nprobe == nlist or (point.recall >= enough and goal.keeps_recall(point)) or is_flat:
            return point
        if not goal.keeps_latency(point):
            return point
        nprobe, before = min(2 * nprobe, nlist), point.recall


def _bisect(at: Callable[[int], Point], last: Point, goal: Goal) -> None:
    """Measures the least nprobe that keeps the recall, between the powers of two around it."""
    if not goal.recall:
        return
    steps = [2**power for power in range(last.settings.nprobe.bit_length())]
    steps = sorted({*steps, last.settings.nprobe})
    steps = [step for step in steps if step <= last.settings.nprobe]
    kept = next((step for step in steps if goal.keeps_recall(at(step))), None)
    if kept is None or kept == 1:
        return
    low, high = max(step for step in steps if step < kept), kept  # fails, keeps
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        if goal.keeps_recall(at(middle)):
            high = middle
        else:
            low = middle


def _search_graph_less(
    found: dict[SearchSettings, Point], measure: Callable[[SearchSettings], Point], goal: Goal
) -> None:
    """Halves ef_search of the fastest point that keeps the goal, while it still does."""
    kept = [point for point in found.values() if goal.keeps_recall(point)]
    if not kept:
        return
    settings = max(kept, key=lambda point: point.queries_per_s).settings
    while (ef_search := settings.ef_search // 2) >= max(16, settings.nprobe):
        settings = SearchSettings(settings.nprobe, ef_search, settings.k_factor)
        found[settings] = measure(settings)
        if not goal.keeps_recall(found[settings]):
            return
