"""Choosing is tested with made-up measurements, measuring with an index and an oracle of sets."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.index.building.meter import Asked, Meter, mean_and_half_width
from devise_lib.index.building.truth import Truth
from devise_lib.index.building.tuning import Goal, Tuned, choose, explore, tune
from devise_lib.index.index_file import IndexFile
from devise_lib.index.settings import Point, SearchSettings
from devise_lib.numerics.retrieval import drop_self_matches, top_k
from devise_lib.numerics.vectors import l2_normalize
from tests.embedded import clustered
from tests.index.built import D, build_files, names, plan_in

N, K = 300, 5
VECTORS = clustered(N, D, seed=8)


@dataclass(frozen=True)
class Kind:
    """What exploring asks of an index file."""

    nlist: int = 1_024
    has_graph: bool = False
    has_refinement: bool = False


class MadeUp:
    """Measurements by a formula: recall grows with nprobe up to `most`, time with all settings."""

    def __init__(self, most: float = 1.0, half: float = 0.005, ms_per_list: float = 0.01) -> None:
        self.most, self.half, self.ms_per_list = most, half, ms_per_list
        self.asked: list[SearchSettings] = []

    def __call__(self, settings: SearchSettings) -> Point:
        self.asked.append(settings)
        limit = min(self.most + 0.1 * math.log2(max(settings.k_factor, 1)), 1.0)
        recall = limit * (1 - 0.6 ** (settings.nprobe**0.7))
        if settings.ef_search:
            recall *= 1 - 0.02 * 20 / settings.ef_search
        work = settings.nprobe + settings.ef_search / 8 + settings.k_factor
        low, high = max(recall - self.half, 0.0), min(recall + self.half, 1.0)
        return Point(settings, recall, low, high, 1e5 / work, self.ms_per_list * work)


def least_nprobe(target: float, measure: MadeUp) -> int:
    """The least nprobe whose lower bound reaches the target, by trying all."""
    return next(n for n in range(1, 1_025) if measure(SearchSettings(n)).low >= target)


def index_in(folder: Path, key: str = "IVF8,Flat", vectors=VECTORS) -> IndexFile:
    build_files(plan_in(folder, key), names(len(vectors)), vectors, [len(vectors) // 2])
    return IndexFile(folder / "bundle" / "base" / "index.faiss")


def truth_of(rows, k: int = K, vectors=VECTORS) -> Truth:
    """The exact results of some rows of the index, and more, without themselves."""
    own = np.array(rows)
    found, scores = drop_self_matches(*top_k(vectors[own], vectors, 4 * k + 1), own)
    return Truth(found, scores, own, min(k, found.shape[1]))


def asked_of(rows, k: int = K, vectors=VECTORS) -> Asked:
    return Asked.of(vectors[list(rows)], truth_of(rows, k, vectors))


@pytest.mark.parametrize("nprobe", [1, 2, 8])
def test_recall_is_the_share_of_the_exact_results_that_are_found(tmp_path, nprobe):
    index, rows = index_in(tmp_path), list(range(0, N, 3))
    recalls = Meter(index, 1).recalls(asked_of(rows), SearchSettings(nprobe))
    exact = truth_of(rows).rows[:, :K].tolist()
    found, _ = index.search(VECTORS[rows], K + 1, SearchSettings(nprobe))
    wanted = [
        len({*near} & {*(r for r in got.tolist() if r != own)}) / K
        for near, got, own in zip(exact, found, rows, strict=True)
    ]
    assert recalls.tolist() == pytest.approx(wanted)
    assert nprobe == 8 or recalls.mean() < 1
    assert nprobe < 8 or recalls.min() == 1


def test_results_of_equal_score_may_replace_one_another(tmp_path):
    """Each vector lies in the index three times. Its copies are equally right."""
    thrice = np.repeat(VECTORS[:60], 3, axis=0)
    index = index_in(tmp_path, vectors=thrice)
    asked = asked_of(range(0, 180, 7), k=4, vectors=thrice)
    assert Meter(index, 1).recalls(asked, SearchSettings(8)).tolist() == [1.0] * 26


def test_codes_that_change_scores_but_no_order_lose_nothing(tmp_path):
    """Recall counts rows: a code that lowers every score a little still finds the right ones."""
    index = index_in(tmp_path, "IVF8,SQ8")
    asked = asked_of(range(0, N, 3), k=1)
    found, scores = index.search(asked.vectors, 2, SearchSettings(8))
    exact = truth_of(range(0, N, 3), k=1)
    same = drop_self_matches(found, scores, exact.own)[0][:, 0] == exact.rows[:, 0]
    recalls = Meter(index, 1).recalls(asked, SearchSettings(8))
    assert recalls.tolist() == same.astype(float).tolist()
    assert (scores[:, 1] < exact.scores[:, 0] - 1e-5)[same].any()


def test_codes_that_lose_something_lower_the_recall(tmp_path):
    asked = asked_of(range(0, N, 3))
    index = index_in(tmp_path / "short", "IVF8,PQ4x4")
    short = Meter(index, 1).recalls(asked, SearchSettings(8)).mean()
    refined = index_in(tmp_path / "refined", "IVF8,PQ4x4,RFlat")
    long = Meter(refined, 1).recalls(asked, SearchSettings(8, 0, 64)).mean()
    assert short < 0.9 < long


def test_a_point_has_the_interval_of_its_recalls_and_a_speed(tmp_path):
    meter, asked = Meter(index_in(tmp_path), 2), asked_of(range(100))
    point = meter.point(asked, SearchSettings(1))
    mean, half = mean_and_half_width(meter.recalls(asked, SearchSettings(1)))
    assert (point.recall, point.low) == pytest.approx((mean, mean - half))
    assert point.high == pytest.approx(min(mean + half, 1.0))
    assert point.queries_per_s > 0
    assert point.latency_ms > 0


def test_pages_are_given_back_when_too_many_are_mapped(tmp_path):
    index, asked = index_in(tmp_path), asked_of(range(130))
    bounded = Meter(index, 1, max_mapped=0).recalls(asked, SearchSettings(2))
    assert bounded.tolist() == Meter(index, 1).recalls(asked, SearchSettings(2)).tolist()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_the_interval_is_that_of_the_normal_distribution(values):
    mean, half = mean_and_half_width(np.array(values))
    assert mean == pytest.approx(np.mean(values))
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0
    assert half == pytest.approx(1.96 * error)


def test_the_interval_holds_the_mean_in_about_95_of_100_samples():
    rng = np.random.default_rng(0)
    samples = rng.binomial(10, 0.9, size=(2_000, 200)) / 10
    held = [abs(mean - 0.9) <= half for mean, half in map(mean_and_half_width, samples)]
    assert 0.93 < np.mean(held) < 0.97


@given(st.integers(2, 40))
def test_halves_do_not_overlap_and_leave_nothing_out(q):
    whole = Asked(np.arange(q)[:, None], np.arange(q) + 100, np.arange(q)[:, None], 3)
    one, two = whole.halves()
    assert sorted([*one.own, *two.own]) == whole.own.tolist()
    assert abs(len(one.own) - len(two.own)) <= 1
    for half in (one, two):
        assert (half.vectors[:, 0] + 100 == half.own).all()
        assert half.k == 3


@pytest.mark.parametrize("target", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_the_cheapest_settings_that_keep_the_recall_are_found(target):
    measure, goal = MadeUp(), Goal(target, 0)
    chosen = choose(explore(measure, Kind(), goal), goal)
    least = least_nprobe(target, MadeUp())
    assert chosen.low >= target
    assert least <= chosen.settings.nprobe <= least + max(1, least // 8)
    assert len(measure.asked) == len(set(measure.asked)) < 25


@given(st.floats(0.3, 0.98), st.floats(0.85, 1.0), st.booleans(), st.booleans())
def test_what_is_chosen_keeps_the_promise_and_nothing_measured_is_faster(target, most, graph, more):
    goal = Goal(target, 0)
    curve = explore(MadeUp(most), Kind(64, graph, more), goal)
    kept = [point for point in curve if point.low >= target]
    if not kept:
        with pytest.raises(InputError, match="no search settings reach"):
            choose(curve, goal)
    else:
        chosen = choose(curve, goal)
        assert chosen.low >= target
        assert chosen.queries_per_s == max(point.queries_per_s for point in kept)


def test_refinement_is_used_where_codes_alone_lose_too_much():
    goal = Goal(0.9, 0)
    chosen = choose(explore(MadeUp(0.7), Kind(has_refinement=True), goal), goal)
    assert chosen.settings.k_factor >= 8
    assert chosen.low >= 0.9


def test_a_graph_is_searched_no_more_thoroughly_than_the_recall_wants():
    goal = Goal(0.8, 0)
    curve = explore(MadeUp(), Kind(has_graph=True), goal)
    chosen = choose(curve, goal)
    assert chosen.settings.ef_search < max(64, 2 * chosen.settings.nprobe)
    assert chosen.settings.ef_search >= chosen.settings.nprobe
    assert all(point.settings.ef_search > 0 for point in curve)


def test_codes_that_lose_too_much_are_told_with_the_best_that_they_reach():
    goal = Goal(0.95, 0)
    curve = explore(MadeUp(most=0.8), Kind(64), goal)
    with pytest.raises(InputError, match=r"reach recall_target 0\.95: the most is 0\.800 .*nprobe"):
        choose(curve, goal)


def test_a_latency_that_no_settings_keep_is_told_with_the_fastest():
    goal = Goal(0.95, 0.001)
    curve = explore(MadeUp(), Kind(), replace(goal, latency_ms=0))
    with pytest.raises(InputError, match=r"within max_latency_ms 0\.001 with recall_target 0\.95"):
        choose(curve, goal)
    goal = Goal(0, 0.001)
    with pytest.raises(InputError, match=r"0\.001: the fastest take 0\.01 ms at nprobe=1;"):
        choose(explore(MadeUp(), Kind(), goal), goal)


def test_a_recall_that_takes_too_long_is_refused():
    goal = Goal(0.99, 0.1)
    with pytest.raises(
        InputError, match=r"within max_latency_ms 0\.1 .* in 0\.\d+ ms they reach 0"
    ):
        choose(explore(MadeUp(), Kind(), goal), goal)


def test_without_a_recall_the_most_within_the_latency_is_taken():
    goal = Goal(0, 0.2)
    curve = explore(MadeUp(), Kind(), goal)
    chosen = choose(curve, goal)
    assert chosen.latency_ms <= 0.2
    assert chosen.recall == max(point.recall for point in curve if point.latency_ms <= 0.2)
    assert chosen.settings.nprobe >= 10  # 20 would take 0.2 ms


def test_without_any_goal_the_search_ends_where_recall_is_high_enough():
    goal = Goal(0, 0)
    chosen = choose(explore(MadeUp(), Kind(), goal), goal)
    assert chosen.recall >= 0.995
    assert chosen.settings.nprobe < 1_024


def test_an_index_is_tuned_on_one_half_and_measured_on_the_other(tmp_path):
    index, asked = index_in(tmp_path), asked_of(range(0, N, 2))
    meter = Meter(index, 2)
    tuned = tune(meter, index, asked, Goal(0.9, 0))
    choosing, checking = asked.halves()
    chosen = tuned.point.settings
    assert meter.recalls(checking, chosen).mean() == tuned.point.recall
    of_choice = next(point for point in tuned.curve if point.settings == chosen)
    assert meter.recalls(choosing, chosen).mean() == of_choice.recall
    assert of_choice.low >= 0.9
    assert (tuned.k, tuned.queries, tuned.threads) == (K, 75, 2)
    recalls = [point.recall for point in tuned.curve]
    assert recalls == sorted(recalls)
    assert Tuned.from_json(tuned.to_json()) == tuned


class Halves:
    """A meter by formula. One half of the queries is harder, and its first measurement is slow."""

    threads = 2

    def __init__(self, loss: float, most: float = 1.0) -> None:
        self.loss, self.measure = loss, MadeUp(most)
        self.checked: list[SearchSettings] = []

    def point(self, asked: Asked, settings: SearchSettings) -> Point:
        point = self.measure(settings)
        if asked.own[0] == 0:  # the half that chooses
            return point
        slow = 1 if settings in self.checked else 30
        self.checked.append(settings)
        return replace(
            point,
            **{name: getattr(point, name) - self.loss for name in ("recall", "low", "high")},
            queries_per_s=point.queries_per_s / slow,
            latency_ms=point.latency_ms * slow,
        )


def numbered(q: int) -> Asked:
    return Asked(np.zeros((q, D), np.float32), np.arange(q), np.zeros((q, K), np.int64), K)


def test_settings_that_the_other_half_refuses_give_way_to_an_eighth_more_lists():
    meter, target = Halves(loss=0.03), 0.9
    tuned = tune(meter, Kind(), numbered(20), Goal(target, 0))
    chosen = tuned.point.settings.nprobe
    assert tuned.point.low >= target
    tried = [settings.nprobe for settings in dict.fromkeys(meter.checked)]
    assert tried[0] < chosen == tried[-1]
    assert all(b - a <= max(a // 8, 1) for a, b in pairwise(tried))
    assert meter.measure(SearchSettings(tried[-2])).low - meter.loss < target


def test_a_promise_that_the_other_half_cannot_keep_is_told():
    with pytest.raises(InputError, match=r"no search settings reach recall_target 0\.95"):
        tune(Halves(loss=0.03, most=0.96), Kind(), numbered(20), Goal(0.95, 0))


def test_the_speed_that_is_told_is_the_best_of_three_measurements():
    meter = Halves(loss=0.0)
    tuned = tune(meter, Kind(), numbered(20), Goal(0.9, 0))
    wanted = meter.measure(tuned.point.settings)
    assert tuned.point == wanted
    assert meter.checked == [tuned.point.settings] * 3


def test_the_time_of_a_query_must_keep_on_the_other_half_too():
    """The slower half takes 1.5 times as long, so settings that just fit are given up."""

    class Slower(Halves):
        def point(self, asked: Asked, settings: SearchSettings) -> Point:
            point = self.measure(settings)
            return point if asked.own[0] == 0 else replace(point, latency_ms=1.5 * point.latency_ms)

    tuned = tune(Slower(0.0), Kind(), numbered(20), Goal(0.0, 0.2))
    assert tuned.point.latency_ms <= 0.2
    assert tuned.point.latency_ms > 0.15  # and no more is given up than must be
    with pytest.raises(InputError, match=r"no search settings answer within max_latency_ms 0\.05"):
        tune(Slower(0.0), Kind(), numbered(20), Goal(0.9, 0.05))


def test_a_single_photo_has_no_neighbour_to_miss(tmp_path):
    one = l2_normalize(VECTORS[:1])
    index = index_in(tmp_path, vectors=one)
    asked = Asked.of(
        one,
        Truth(np.empty((1, 0), np.int64), np.empty((1, 0), np.float32), np.zeros(1, np.int64), 0),
    )
    tuned = tune(Meter(index, 1), index, asked, Goal(1.0, 0.0001))
    assert (tuned.k, tuned.point.recall, tuned.point.settings) == (0, 1.0, SearchSettings(1))


def test_a_single_query_chooses_and_checks(tmp_path):
    index = index_in(tmp_path)
    tuned = tune(Meter(index, 1), index, asked_of([7]), Goal(0.9, 0))
    assert (tuned.queries, tuned.point.recall) == (1, 1.0)
