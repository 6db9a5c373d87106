"""Fine-tuning on two ranks: a network that sees colours badly learns to, on labels held out too."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.config.training import FineTune
from devise_lib.numerics.candidates import CandidateSet, SoftmaxLayer
from devise_lib.numerics.validation import Score
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.train import fine_tune as fine_tuning
from devise_lib.spark.train.fine_tune import ModelToTune, tuned_bundle
from devise_lib.spark.train.horovod_ranks import RanksLogs, run_ranks
from devise_lib.tracking import RegisteredModel
from devise_lib.training.augmentation import Augmentation
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from devise_lib.training.fine_tuning import (
    FineTuningPlan,
    Tuned,
    TuningFold,
    fine_tune,
    freeze,
)
from devise_lib.training.model import features_of, identity_of, projection_of
from devise_lib.training.plan import LabelledRows
from devise_lib.training.settings import Objective
from devise_lib.vision.networks.keras_file import bytes_of_model, model_of_bytes

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SIZE = 12
RNG = np.random.default_rng(8)
# A label is a colour, and its vector the colour's direction: a map that holds for any colour.
COLOURS = RNG.uniform(30, 225, (9, 3))
LABELS = [f"colour {place}" for place in range(9)]
VECTORS = l2_normalize((COLOURS - 127.5).astype(np.float32))
HELD_OUT = {"colour 2", "colour 5", "colour 7"}
TRUTH = np.arange(360) % 9
PHOTOS = np.clip(
    COLOURS[TRUTH][:, None, None] + RNG.normal(0, 20, (360, SIZE, SIZE, 3)), 0, 255
).astype(np.uint8)


def make_model() -> keras.Model:
    """A convolution drawn at random, and a projection of it that knows nothing."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(4, 3, name="first", use_bias=False)(x)
    x = keras.layers.BatchNormalization(name="first_norm")(x)
    x = keras.layers.Conv2D(16, 3, name="second", activation="tanh")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(3, name="projection")(x)
    return keras.Model(inputs, keras.layers.UnitNormalization(name="embedding")(x))


def write(folder, name, chosen) -> str:
    path = folder / f"{name}.parquet"
    columns = {
        "pixels": [photo.tobytes() for photo in PHOTOS[chosen]],
        "label": [LABELS[place] for place in TRUTH[chosen]],
    }
    pq.write_table(pa.table(columns), path, row_group_size=30)
    return path.as_uri()


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> FineTuningPlan:
    folder = tmp_path_factory.mktemp("pixels")
    out = np.array([LABELS[place] in HELD_OUT for place in TRUTH])
    kept = ~out & (np.arange(360) % 5 == 0)
    urls = {
        name: [write(folder, f"{name}-{half}", np.flatnonzero(mask)[half::2]) for half in (0, 1)]
        for name, mask in (("all", out | ~out), ("fit", ~out & ~kept), ("out", out), ("kept", kept))
    }
    seen = [label for label in LABELS if label not in HELD_OUT]
    order = [LABELS.index(label) for label in seen]
    is_seen = np.array([label in seen for label in LABELS])
    network = bytes_of_model(make_model())
    return FineTuningPlan(
        fold=TuningFold(
            network=network,
            rows=LabelledRows(urls["fit"], int((~out & ~kept).sum()), seen, VECTORS[order]),
            held_out_urls=urls["out"],
            validation_urls=urls["kept"],
            tested_labels=set(LABELS),
            candidates=CandidateSet(LABELS, is_seen, VECTORS, VECTORS),
            photos=96,
            number=1,
        ),
        network=network,
        rows=LabelledRows(urls["all"], 360, LABELS, VECTORS),
        objective=Objective("rank", 0.3, "all", True),
        augmentation=Augmentation(colour=0.05),
        layers=1,
        learning_rate=0.02,
        epochs=4,
        patience=3,
        batch_size=24,
        image_size=SIZE,
        seed=2,
        readers=2,
        folder=str(folder / "checkpoints"),
        checkpoint_steps=5,
        threads=1,
    )


def make_twice_job():
    """Both plans, one after the other in the same ranks, which take long to start."""

    def job(plans):
        return [fine_tune(plan) for plan in plans]

    return job


@pytest.fixture(scope="module")
def outcomes(spark, plan, tmp_path_factory):
    """By rank what comes of the plan, and of the same with steps too small to learn anything."""
    log = tmp_path_factory.mktemp("logs") / "ranks.log"
    still = replace(plan, learning_rate=1e-12, epochs=2)
    return run_ranks(spark, make_twice_job(), [plan, still], 2, RanksLogs.beside(log))


@pytest.fixture(scope="module")
def outcome(outcomes):
    return [of_rank[0] for of_rank in outcomes]


def test_the_number_of_epochs_is_the_one_that_does_best_on_labels_held_out(outcome, plan):
    tuned = outcome[0]
    values = [score.value for score in tuned.scores]
    assert 1 < len(values) <= 1 + plan.epochs
    assert max(values) > values[0] + 0.1
    assert len(tuned.losses) == int(np.argmax(values))
    assert (tuned.size, tuned.fold) == (2, 1)
    assert not outcome[1].keras_file, "the first rank hands it over"


def test_the_last_layers_and_the_projection_are_trained_and_no_others(outcome):
    before, after = make_model(), model_of_bytes(outcome[0].keras_file)
    for layer in (x for x in before.layers if x.weights):
        pairs = zip(layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True)
        same = all((one == other).all() for one, other in pairs)
        assert same is (layer.name in ("first", "first_norm")), layer.name


def test_the_model_that_comes_out_finds_the_colours(outcome):
    model = model_of_bytes(outcome[0].keras_file)

    def share(model):
        embedded = model.predict(PHOTOS.astype(np.float32), verbose=0)
        return ((embedded @ VECTORS.T).argmax(axis=1) == TRUTH).mean()

    assert share(model) > share(make_model()) + 0.2
    parts = features_of(model).predict(PHOTOS[:9].astype(np.float32), verbose=0)
    np.testing.assert_allclose(
        projection_of(model).embed(parts),
        model.predict(PHOTOS[:9].astype(np.float32), verbose=0),
        atol=1e-5,
    )


def test_an_id_of_features_is_that_of_their_weights():
    one, same = (features_of(make_model()) for _ in range(2))
    assert identity_of(one, "net") == identity_of(same, "net")
    same.get_layer("first").set_weights([w + 1 for w in same.get_layer("first").get_weights()])
    assert identity_of(one, "net") != identity_of(same, "net")


def test_where_no_epoch_does_better_nothing_is_trained(outcomes):
    tuned = outcomes[0][1]
    assert len(tuned.scores) == 3
    assert (tuned.keras_file, tuned.losses) == (b"", [])


@pytest.mark.parametrize(
    ("layers", "trained"),
    [(1, {"second"}), (2, {"second", "first_norm"}), (99, {"second", "first_norm", "first"})],
)
def test_layers_are_counted_from_the_end_of_the_backbone(layers, trained):
    model = make_model()
    freeze(model, 99)
    freeze(model, layers)
    found = {layer.name for layer in model.layers if layer.trainable and layer.weights}
    assert found == {*trained, "projection"}


def test_the_bundle_of_a_tuned_model_is_of_it_alone(outcome):
    model = model_of_bytes(outcome[0].keras_file)
    old = projection_of(make_model())
    trained = [TrainedProjection("devise", 3, fold, old) for fold in (None, 0)]
    layer = SoftmaxLayer(np.ones((16, 2), np.float32), np.ones(2, np.float32), ["a", "b"])
    bundle = ProjectionBundle(trained, {}, layer, "net", "words", "5 of seed 0", 0.3)
    before = Score(0.1, 0.1, 0.0, (0.1,), ({"a": 0.1, "b": 0.1},))
    one = Score(0.45, 0.3, 0.05, (0.45,), ({"a": 0.7, "b": 0.2},))
    two = Score(0.3, 0.3, 0.07, (0.3,), ({"a": 0.3, "b": 0.3},))
    tuned = Tuned([before, one, two], b"", [], 2, 2, ["a", "b", "c"])
    mine = tuned_bundle(bundle, projection_of(model), "net-tuned-0", tuned, "devise-v1-0")
    assert [(one.method, one.seed, one.fold) for one in mine.trained] == [("devise", 3, None)]
    assert (mine.backbone_id, mine.words_id, mine.score) == ("net-tuned-0", "words", 0.25)
    assert mine.penalty == 0.05
    assert mine.layer.classes == []
    assert (mine.folds_id, mine.base_model) == (bundle.folds_id, "devise-v1-0")
    assert mine.label_scores == {2: {"a": 0.3, "b": 0.2, "c": None}}, "at the other's choice"


@pytest.mark.parametrize(
    ("after", "promoted"),
    [
        (dict(zip("abcde", (0.5, 0.4, 0.5, 0.4, 0.5), strict=True)), True),
        ({**dict.fromkeys("bcde", 0.1), "a": 0.9}, False),
        (dict.fromkeys("abcd", 0.5), False),
        ({"a": 0.5}, False),
    ],
)
def test_a_tuned_model_is_registered_behind_its_features_and_promoted_by_a_clear_lead(
    monkeypatch, after, promoted
):
    """The kinds of fault: a model announced before its parts are there; a choice by chance.

    The base has 0.1 on each label. A lead on one label may be chance, and so may one on four.
    """
    before = Score(0.1, 0.1, 0.0, (0.1,), (dict.fromkeys(after, 0.1),))
    mean = float(np.mean(list(after.values())))
    best = Score(mean, mean, 0.05, (mean,), (after,))
    tuned = Tuned([before, best], bytes_of_model(make_model()), [0.1], 1, 2, sorted(after))
    trained = [TrainedProjection("devise", 3, None, projection_of(make_model()))]
    layer = SoftmaxLayer(np.ones((16, 2), np.float32), np.ones(2, np.float32), ["a", "b"])
    bundle = ProjectionBundle(trained, {}, layer, "net", "words", "5 of seed 0", 0.1)
    base, mine = RegisteredModel("devise", "1", "0" * 6), RegisteredModel("devise", "2", "1" * 6)
    steps, rows = [], 7

    def note(name, result):
        return lambda *_, **__: steps.append(name) or result

    monkeypatch.setattr(fine_tuning, "write_features", note("features", rows))
    monkeypatch.setattr(fine_tuning, "register", note("register", mine))
    monkeypatch.setattr(fine_tuning.tracking, "find_champion", lambda _: base)
    monkeypatch.setattr(fine_tuning.tracking, "promote", note("promote", None))
    tables = SimpleNamespace(version=lambda _: 3)
    model = ModelToTune(base, bundle, None)
    assert fine_tuning.register_tuned(FineTune(), tables, None, model, tuned) == rows
    assert steps == ["features", "register", *(["promote"] if promoted else [])]
