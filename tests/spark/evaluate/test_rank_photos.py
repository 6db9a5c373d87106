import numpy as np
import pytest

from devise_lib.config.reporting import Evaluate
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import BySoftmax, CandidateSet, SoftmaxLayer
from devise_lib.numerics.hierarchy import Hierarchy
from devise_lib.spark.evaluate.candidate_sets import LabelChoices
from devise_lib.spark.evaluate.methods import FittedMethod
from devise_lib.spark.evaluate.rank_photos import make_eval_plan, rank_photos
from devise_lib.spark.tables.schemas import FEATURES
from tests.spark.evaluate.zero_shot_world import (
    CHOICES,
    KNOWN,
    RNG,
    SEEN,
    UNSEEN,
    D,
    draw_method,
    feature_row,
)

pytestmark = pytest.mark.spark

EDGES = [("x", "ant"), ("x", "bee"), ("y", "cat"), ("y", "dog"), ("z", "x"), ("z", "y")]
KS = (1, 2, 3)
TRUTH = [(SEEN + UNSEEN)[i % 5] for i in range(30)]
VALUES = RNG.standard_normal((30, D)).astype(np.float32)
MEANS = RNG.uniform(0, 0.5, len(KNOWN.labels))
LAYER = SoftmaxLayer(
    RNG.standard_normal((D, 2)).astype(np.float32), np.zeros(2, dtype=np.float32), ["cat", "ant"]
)
CONTENDERS = [
    FittedMethod("devise", 3, draw_method(), {"": 0.3, "+csls": 0.2}, MEANS),
    FittedMethod("random_embeddings", 3, draw_method(control=True), {}, MEANS),
    FittedMethod("softmax", None, BySoftmax(LAYER)),
]


@pytest.fixture(scope="module")
def features(spark):
    rows = [feature_row(i, *pair) for i, pair in enumerate(zip(TRUTH, VALUES, strict=True))]
    return spark.createDataFrame(rows, FEATURES).repartition(3)


@pytest.fixture(scope="module")
def plan(features, tmp_path_factory):
    path = tmp_path_factory.mktemp("hierarchy") / "edges.txt"
    path.write_text("".join(f"{parent} {child}\n" for parent, child in EDGES))
    config = Evaluate(k=KS, hierarchy=str(path))
    return make_eval_plan(features, LabelChoices(KNOWN, CHOICES), CONTENDERS, config)


@pytest.fixture(scope="module")
def ranks(spark, features, plan):
    return rank_photos(spark, features, plan).collect()


def test_the_questions_know_the_photos_and_what_is_near_each_label(plan):
    assert plan.sizes == {("set", name): 6 for name in SEEN + UNSEEN}
    wanted = Hierarchy(EDGES).correct_sets("ant", set(KNOWN.labels), max(KS))
    assert plan.correct[0, "ant"] == plan.correct[2, "ant"] == wanted
    assert (1, "ant") not in plan.correct, "not among the unseen"
    assert (1, "elk") not in plan.correct, "not in the hierarchy"


def test_a_photo_whose_label_left_labels_is_told(features):
    """The kind of fault: a table that changed since another was made ended in a KeyError."""
    kept = [place for place, label in enumerate(KNOWN.labels) if label != "bee"]
    fewer = CandidateSet(
        [KNOWN.labels[place] for place in kept],
        *(values[kept] for values in (KNOWN.seen, KNOWN.vectors, KNOWN.control_vectors)),
    )
    with pytest.raises(InputError, match=r"1 labels without a vector in LABELS \(bee\)"):
        make_eval_plan(features, LabelChoices(fewer, []), CONTENDERS, Evaluate(k=KS))


def scores_by_hand(fitted, photo, variant):
    scores = fitted.method.scores(VALUES[photo : photo + 1], KNOWN)[0]
    if "csls" in variant:
        scores = 2 * scores - MEANS
    if "calibrated" in variant:
        scores = scores - fitted.gammas[variant.removesuffix("+calibrated")] * KNOWN.seen
    return dict(zip(KNOWN.labels, scores, strict=True))


def test_each_photo_is_asked_by_each_method_in_each_choice_that_holds_its_label(ranks, plan):
    wanted = {}
    for photo, truth in enumerate(TRUTH):
        for place, choice in enumerate(CHOICES):
            labels = [KNOWN.labels[column] for column in choice.columns]
            if truth not in labels:
                continue
            both = choice.name == "unseen_and_seen"
            for fitted in CONTENDERS:
                variants = ["", "+csls"] if fitted.label_means is not None else [""]
                if both and fitted.gammas:
                    variants += ["+calibrated", "+csls+calibrated"]
                for variant in variants:
                    scores = scores_by_hand(fitted, photo, variant)
                    ahead = [x for x in labels if x != truth and not scores[x] < scores[truth]]
                    answered = [x for x in labels if scores[x] > -np.inf]
                    first = sorted(answered, key=lambda x, s=scores: (-s[x], x))[: max(KS)]
                    sets = plan.correct.get((place, truth))
                    key = (photo, place, fitted.name + variant)
                    wanted[key] = (
                        len(ahead) + 1,
                        [labels.index(x) for x in first],
                        sets and [sets.precision(first, k) for k in KS],
                    )
    numbers = {tuple(np.float32(v)): n for n, v in enumerate(VALUES)}
    assert len(numbers) == len(TRUTH)
    found = sorted((row["choice"], row["method"], row["label"], row["rank"]) for row in ranks)
    expected = sorted((c, m, TRUTH[p], value[0]) for (p, c, m), value in wanted.items())
    assert found == expected
    lists = sorted(
        (row["choice"], row["method"], row["first"], row["precision"] or []) for row in ranks
    )
    assert lists == sorted((c, m, value[1], value[2] or []) for (_, c, m), value in wanted.items())


def test_what_else_a_row_tells(ranks):
    assert {(row["seen"], row["label"] in SEEN) for row in ranks} == {
        (True, True),
        (False, False),
    }
    assert {row["weight"] for row in ranks} == {1 / 6}
    assert {(row["method"].split("+")[0], row["seed"]) for row in ranks} == {
        ("devise", 3),
        ("random_embeddings", 3),
        ("softmax", None),
    }


def test_the_turn_is_where_a_penalty_changes_what_is_found(ranks):
    for row in ranks:
        calibrated = row["method"].endswith("calibrated")
        if CHOICES[row["choice"]].name != "unseen_and_seen" or calibrated:
            assert row["turn"] is None
    plain = [r for r in ranks if r["method"] == "devise" and r["choice"] == 2]
    after = [r for r in ranks if r["method"] == "devise+calibrated" and r["choice"] == 2]
    gamma = CONTENDERS[0].gammas[""]
    found = sorted((r["label"], (r["turn"] > gamma) == r["seen"]) for r in plain)
    assert found == sorted((r["label"], r["rank"] == 1) for r in after)
