"""Chooses the search settings that keep a promise."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

from devise_lib.errors import InputError
from devise_lib.index.building.meter import Asked, Meter
from devise_lib.index.index_file import IndexFile
from devise_lib.index.settings import Point, SearchSettings

ENOUGH = 0.995  # a curve ends at this recall, or at the target if that is higher
AGAIN = 2  # measurements more of the chosen settings, for their speed
FACTORS = (1, 2, 4, 8, 16, 32, 64)  # of k, for an index with refinement


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


def tune(meter: Meter, index: IndexFile, asked: Asked, goal: Goal) -> Tuned:
    """Finds the cheapest settings that keep the goal, and measures them on other queries.

    Half of the queries choose, and the other half measures. Settings that do not keep the goal
    there are given up for those with an eighth more lists, or fewer where the time is the goal.

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
    left = list(curve)

    def try_instead(settings: SearchSettings, lists: int) -> None:
        nprobe = min(max(settings.nprobe + lists, 1), index.nlist)
        other = replace(settings, nprobe=nprobe)
        if all(point.settings != other for point in curve):
            curve.append(meter.point(choosing, other))
            left.append(curve[-1])

    while True:
        chosen = choose(left, goal).settings
        left = [point for point in left if point.settings != chosen]
        eighth = max(chosen.nprobe // 8, 1)
        checked = meter.point(checking, chosen)
        if not goal.keeps_recall(checked):
            try_instead(chosen, eighth)
        else:
            checked = _fastest(checked, [meter.point(checking, chosen) for _ in range(AGAIN)])
            if goal.keeps_latency(checked):
                break
            if not goal.recall:
                try_instead(chosen, -eighth)
        if not any(goal.keeps_recall(point) and goal.keeps_latency(point) for point in left):
            choose([checked], goal)  # raises
    return Tuned(
        point=checked,
        curve=tuple(sorted(curve, key=lambda point: (point.recall, -point.queries_per_s))),
        queries=len(checking.vectors),
        k=asked.k,
        threads=meter.threads,
    )


def _fastest(point: Point, others: Sequence[Point]) -> Point:
    """Returns a point with the best times of several measurements: other work only makes it slower.

    These times are the promise that people read, so one moment must not decide them.
    """
    every = (point, *others)
    return replace(
        point,
        queries_per_s=max(each.queries_per_s for each in every),
        latency_ms=min(each.latency_ms for each in every),
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
    """Returns the cheapest point that keeps the goal; without a recall, the one of most recall.

    The fewer lists are searched, the cheaper it is. With a graph or refinement, times decide.

    Raises:
        InputError: no point keeps the goal.
    """
    kept = [point for point in curve if goal.keeps_recall(point) and goal.keeps_latency(point)]
    if kept and goal.recall:
        return max(kept, key=_cheapness)
    if kept:
        return max(kept, key=lambda point: (point.recall, _cheapness(point)))
    most = max(curve, key=lambda point: point.low)
    if not goal.keeps_recall(most) and all(goal.keeps_latency(point) for point in curve):
        raise InputError(
            f"no search settings reach recall_target {goal.recall}: the most is {most.recall:.3f} "
            f"({most.low:.3f} to {most.high:.3f}) at {most.settings}. The codes lose the rest: "
            "give an index_key with more bytes per vector (SQ8, SQfp16 or Flat in place of PQ, a "
            "longer PQ, or RFlat or Refine(SQ8) at its end), a larger budget, more queries for a "
            "narrower interval, or a lower recall_target"
        )
    wanted = [point for point in curve if goal.keeps_recall(point)]
    if goal.recall and not wanted:  # More lists were not tried, because they take longer.
        found = f"in {most.latency_ms:.2f} ms they reach {most.recall:.3f}, at {most.settings}"
    else:
        quick = min(wanted, key=lambda point: point.latency_ms)
        found = f"the fastest take {quick.latency_ms:.2f} ms at {quick.settings}"
    raise InputError(
        f"no search settings answer within max_latency_ms {goal.latency_ms}"
        + (f" with recall_target {goal.recall}" if goal.recall else "")
        + f": {found}; raise it, or lower recall_target"
    )


def _cheapness(point: Point) -> float:
    """Returns a number that is greater for cheaper points. It does not depend on times where it
    need not, because these differ from run to run.
    """
    settings = point.settings
    has_one_setting = not settings.ef_search and not settings.k_factor
    return -settings.nprobe if has_one_setting else point.queries_per_s


def _double(at: Callable[[int], Point], nlist: int, goal: Goal) -> Point:
    """Doubles nprobe from 1 on, until enough is found or no more; returns the last point."""
    enough = max(ENOUGH, goal.recall)
    nprobe, before = 1, -1.0
    while True:
        point = at(nprobe)
        is_flat = point.recall <= before + 0.0005
        is_enough = point.recall >= enough or (is_flat and nprobe > 64)
        if nprobe == nlist or (is_enough and goal.keeps_recall(point)):
            return point
        if (is_flat and nprobe > 1024) or not goal.keeps_latency(point):
            return point
        nprobe, before = min(2 * nprobe, nlist), point.recall


def _bisect(at: Callable[[int], Point], last: Point, goal: Goal) -> None:
    """Measures the least nprobe that keeps the recall, between the powers of two around it.

    Without a recall, it measures the greatest one that keeps the latency.
    """
    if not goal.recall:
        _halve(last.settings.nprobe // 2, last.settings.nprobe, lambda n: goal.keeps_latency(at(n)))
        return
    steps = [2**power for power in range(last.settings.nprobe.bit_length())]
    steps = sorted({*steps, last.settings.nprobe})
    steps = [step for step in steps if step <= last.settings.nprobe]
    kept = next((step for step in steps if goal.keeps_recall(at(step))), None)
    if kept is None or kept == 1:
        return
    low, high = max(step for step in steps if step < kept), kept  # fails, keeps
    _halve(low, high, lambda n: not goal.keeps_recall(at(n)))


def _halve(low: int, high: int, is_low: Callable[[int], bool]) -> None:
    """Asks at ever nearer numbers where `is_low` ends, to a sixteenth."""
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        low, high = (middle, high) if is_low(middle) else (low, middle)


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
