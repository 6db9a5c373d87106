import numpy as np
import pytest

from devise_lib.numerics.generalized import (
    harmonic_mean,
    per_class_means,
    seen_unseen_curve,
)
from devise_lib.numerics.hierarchy import Hierarchy, chance_precision
from devise_lib.numerics.hubness import hubness
from devise_lib.report.generalized import CURVE_SEEN, CURVE_UNSEEN
from devise_lib.spark.evaluate.candidate_sets import LabelChoices
from devise_lib.spark.evaluate.metrics import CURVE_POINTS, zero_shot_metrics
from devise_lib.spark.evaluate.rank_photos import RESULTS, EvalPlan
from tests.spark.evaluate.zero_shot_world import CHOICES, KNOWN, SEEN, UNSEEN

pytestmark = pytest.mark.spark

KS = (1, 2)
SIZES = {("p", "ant"): 3, ("p", "bee"): 1, ("p", "dog"): 2, ("p", "elk"): 4}
SETS = Hierarchy([("x", "dog"), ("x", "elk"), ("x", "ant")])
CORRECT = {
    (place, label): SETS.correct_sets(label, set(KNOWN.labels), 2)
    for place in (1, 2)
    for label in UNSEEN
}
ASKED = EvalPlan(LabelChoices(KNOWN, CHOICES), [], KS, SIZES, CORRECT)
RNG = np.random.default_rng(3)
ROWS = []
for seed in (0, 1):
    for (photo_set, label), count in SIZES.items():
        for _ in range(count):
            seen = label in SEEN
            for place in (0 if seen else 1, 2):
                turn = float(RNG.integers(-300, 300)) / 1000 if place == 2 else None
                labels = len(CHOICES[place].columns)
                first = RNG.permutation(labels)[:2].tolist()
                precision = None if seen else RNG.random(2).tolist()
                rank = int(RNG.integers(1, 4))
                where = (photo_set, seen, label, 1 / count, place, "devise", seed)
                ROWS.append((*where, rank, turn, first, precision))


@pytest.fixture(scope="module")
def metrics(spark):
    ranks = spark.createDataFrame(ROWS, RESULTS).repartition(4)
    found = zero_shot_metrics(ranks, ASKED)
    table = {
        (m.method, m.photo_set, m.candidate_set, m.metric, m.k, m.seed): m.value for m in found
    }
    assert len(table) == len(found), "each figure once"
    return table


def rows_of(seen, place, seed):
    return [r for r in ROWS if (r[1], r[4], r[6]) == (seen, place, seed)]


GROUPS = [(True, 0), (True, 2), (False, 1), (False, 2)]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("seen", "place"), GROUPS)
def test_shares_are_means_over_photos_and_over_classes(metrics, seen, place, seed):
    rows = rows_of(seen, place, seed)
    where = ("devise", f"p {'seen' if seen else 'unseen'}", CHOICES[place].name)
    for i, k in enumerate(KS):
        assert metrics[*where, "hit", k, seed] == pytest.approx(np.mean([r[7] <= k for r in rows]))
        key = (*where, "hierarchical_precision", k, seed)
        if seen:
            assert key not in metrics
        else:
            assert metrics[key] == pytest.approx(np.mean([r[10][i] for r in rows]))
    right = np.array([float(r[7] <= 1) for r in rows])
    wanted = per_class_means(right, np.array([r[2] for r in rows]))[1].mean()
    assert metrics[*where, "per_class_top1", 1, seed] == pytest.approx(wanted)


@pytest.mark.parametrize("seed", [0, 1])
def test_seen_and_unseen_have_a_harmonic_mean_and_a_curve(metrics, seed):
    tops = [
        metrics["devise", f"p {kind}", "unseen_and_seen", "per_class_top1", 1, seed]
        for kind in ("seen", "unseen")
    ]
    found = metrics["devise", "p", "unseen_and_seen", "harmonic_mean", 1, seed]
    assert found == pytest.approx(harmonic_mean(*tops))
    rows = rows_of(True, 2, seed) + rows_of(False, 2, seed)
    turns, seen, classes = (np.array([r[i] for r in rows]) for i in (8, 1, 2))
    curve = seen_unseen_curve(turns, seen, classes)
    area = metrics["devise", "p", "unseen_and_seen", "ausuc", None, seed]
    assert area == pytest.approx(curve.area())
    assert not any(key[2] != "unseen_and_seen" for key in metrics if key[3] == "ausuc")
    for name, wanted in zip((CURVE_SEEN, CURVE_UNSEEN), curve.sample(CURVE_POINTS), strict=True):
        key = "devise", "p", "unseen_and_seen", name
        points = [metrics[*key, number, seed] for number in range(len(wanted))]
        assert points == pytest.approx(wanted)
        assert (*key, len(wanted), seed) not in metrics


@pytest.mark.parametrize("seed", [0, 1])
def test_hubs_are_counted_among_the_unseen_alone(metrics, seed):
    listed = [place for row in rows_of(False, 1, seed) for place in row[9]]
    wanted = hubness(np.bincount(listed, minlength=len(UNSEEN)), len(UNSEEN))
    where = ("devise", "p unseen", "unseen_only")
    for name in ("skewness", "antihub_share", "hub_occurrence", "robin_hood"):
        metric = "hubness_skewness" if name == "skewness" else name
        assert metrics[*where, metric, 10, seed] == pytest.approx(getattr(wanted, name))
    assert {key[2] for key in metrics if key[3] == "robin_hood"} == {"unseen_only"}


def test_chance_and_what_figures_are_to_be_read_with(metrics):
    where = ("chance", "p unseen", "unseen_and_seen")
    assert metrics[*where, "photos", None, None] == 6
    assert metrics[*where, "candidates", None, None] == 5
    assert [metrics[*where, "hit", k, None] for k in KS] == [0.2, 0.4]
    sets = [(CORRECT[2, "dog"], 2), (CORRECT[2, "elk"], 4)]
    for k in KS:
        found = metrics[*where, "hierarchical_precision", k, None]
        assert found == pytest.approx(chance_precision(sets, k, set(KNOWN.labels)))
        size = metrics[*where, "correct_set_size", k, None]
        assert size == pytest.approx((2 * sets[0][0].size(k) + 4 * sets[1][0].size(k)) / 6)
    assert ("chance", "p seen", "seen_only", "hierarchical_precision", 1, None) not in metrics
    assert metrics["chance", "p seen", "seen_only", "photos", None, None] == 4


def test_chance_among_fewer_labels_than_k_finds_all(metrics):
    assert metrics["chance", "p unseen", "unseen_only", "hit", 2, None] == 1.0
