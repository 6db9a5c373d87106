"""What train_on_ranks hands to the ranks, caught before any is started."""

import shutil
from functools import cache

import numpy as np
import pytest

from devise_lib.config.training import TrainDevise
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import CONTROL, METHOD
from devise_lib.numerics.closed_form import classifier_weights
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import FEATURES, LABELS
from devise_lib.spark.train import projection
from devise_lib.spark.train.projection import train_on_ranks
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.build import make_network
from tests.rows import write_rows

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(6)
TRAINED = [f"label {place}" for place in range(6)]
FURTHER, UNSEEN = "seen without photos", "unseen"
NAMES = [*TRAINED, FURTHER, UNSEEN]
VECTORS = dict(
    zip(NAMES, l2_normalize(RNG.standard_normal((8, 5)).astype(np.float32)), strict=True)
)
CONTROLS = dict(
    zip(NAMES, l2_normalize(RNG.standard_normal((8, 5)).astype(np.float32)), strict=True)
)
ONE = {"l2_sp": 1.0, "margin": 0.1, "dropout": 0.2, "learning_rate": 0.01}  # setting


class CaughtError(Exception):
    """Raised in place of a start, with the plan."""


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone("small_cnn", make_network("small_cnn", 3, 32), [*TRAINED[:2], "?"], 32)


@pytest.fixture(scope="module")
def tables(spark, backbone, tmp_path_factory) -> Tables:
    tables = Tables.of(spark, TrainDevise(work_dir=str(tmp_path_factory.mktemp("work"))))
    labels = [
        (name, "s", [name], name, "exact", name != UNSEEN, [], v.tolist(), CONTROLS[name].tolist())
        for name, v in VECTORS.items()
    ]
    rows = [dict(zip(LABELS.names, (*row, "words"), strict=True)) for row in labels]
    write_rows(tables.work_dir, "labels", rows)
    width, identity = backbone.features().output_shape[-1], backbone.identity()
    rows = []
    for number, place in enumerate(np.arange(120) % len(TRAINED)):
        feature = RNG.standard_normal(width) + place
        split, kept = ("train", "test")[number % 10 == 9], number % 4 == 0
        where = split, int(place) % 3, kept, identity
        rows.append((f"p{number}", "set", TRAINED[place], True, *where, feature.tolist()))
    tables.overwrite(
        "features",
        spark.createDataFrame(rows, FEATURES).repartition(4),
        partition_by=("backbone_id", "split", "fold", "is_validation_photo"),
    )
    return tables


@pytest.fixture(scope="module")
def plan_of(spark, tables, backbone):
    """The plan of a configuration with these keys; made once, since it takes seconds."""

    def caught(*call):
        raise CaughtError(call[2])

    @cache
    def plan(**keys):
        config = TrainDevise(
            work_dir=tables.work_dir, ranks=1, epochs=2, validation_folds=3, **{**ONE, **keys}
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(projection, "run_ranks", caught)
            with pytest.raises(CaughtError) as raised:
                train_on_ranks(spark, config, tables, tables.version("features"), backbone)
        return raised.value.args[0]

    return plan


USUAL = {"seeds": 2, "start_strength": 1.0}
OTHER = {"negatives": "training", "start": "random"}


def of_targets(rows, vectors) -> list[str]:
    """The labels that the rows of the targets are."""
    return [
        next(name for name, vector in vectors.items() if (vector == target).all())
        for target in rows.targets
    ]


def test_every_seen_label_is_a_target_and_the_control_has_its_own(plan_of):
    plan = plan_of(**USUAL)
    names = [(run.method, run.name, run.seed) for run in plan.trainings]
    assert names == [(m, f"{m}-{seed}", seed) for m in (METHOD, CONTROL) for seed in (0, 1)]
    real, control = plan.trainings[0].dataset, plan.trainings[2].dataset
    assert real.labels == control.labels == TRAINED
    assert of_targets(real, VECTORS) == of_targets(control, CONTROLS) == [*TRAINED, FURTHER]
    assert real.count == 108, "those for testing are left out"


def test_no_trial_knows_the_labels_of_its_fold(plan_of):
    plan = plan_of(**USUAL)
    assert len(plan.folds) == 3
    for number, fold in enumerate(plan.folds):
        held_out = {name for place, name in enumerate(TRAINED) if place % 3 == number}
        assert fold.validation.held_out == held_out
        for rows, vectors in ((fold.dataset, VECTORS), (fold.control_dataset, CONTROLS)):
            assert set(of_targets(rows, vectors)) == {*TRAINED, FURTHER} - held_out
            assert set(rows.labels) == set(TRAINED) - held_out
            assert all(
                f"fold={number}" not in url and "is_validation_photo=false" in url
                for url in rows.file_urls
            )


def test_wrong_labels_may_be_those_with_photos_alone(plan_of):
    assert of_targets(plan_of(**OTHER).trainings[0].dataset, VECTORS) == TRAINED


@pytest.mark.parametrize("strength", [1.0, 50.0])
def test_the_softmaxs_start_is_its_ridge_on_the_labels_that_a_training_may_know(
    plan_of, backbone, strength
):
    plan = plan_of(**USUAL | {"start_strength": strength})
    layer = backbone.classifier()
    for rows, known in (
        (plan.trainings[0].dataset, TRAINED[:2]),
        (plan.folds[0].dataset, TRAINED[1:2]),  # label 0 is held out
    ):
        vectors = np.stack([VECTORS[n] if n in known else np.zeros(5) for n in (*TRAINED[:2], "?")])
        wanted = classifier_weights(layer.kernel, rows.deviation, vectors, strength)
        np.testing.assert_allclose(rows.softmax, wanted, rtol=1e-4, atol=1e-6)
    assert plan_of(**OTHER).trainings[0].dataset.softmax is None


def test_features_of_another_backbone_are_refused(spark, tables):
    other = Backbone("small_cnn", make_network("small_cnn", 3, 32), ["a", "b", "c"], 32)
    with pytest.raises(
        InputError, match=r"FEATURES has no rows of the backbone .*extract_features"
    ):
        train_on_ranks(spark, TrainDevise(work_dir=tables.work_dir, **ONE), tables, 0, other)


def test_a_softmax_of_labels_that_have_no_vector_starts_nothing(spark, tables, backbone):
    strange = Backbone("small_cnn", backbone.model, ["x", "y", "z"], 32)
    config = TrainDevise(work_dir=tables.work_dir, start="softmax", **ONE)
    with pytest.raises(InputError, match=r'no class of the .*start = "random"'):
        train_on_ranks(spark, config, tables, 0, strange)


def test_several_settings_want_photos_to_choose_by(spark, tables, backbone, tmp_path):
    rows = tables.read("features").drop("fold").selectExpr("*", "cast(null as int) as fold")
    alone = Tables.of(spark, TrainDevise(work_dir=str(tmp_path)))
    shutil.copytree(tables.folder("labels"), alone.folder("labels"))
    alone.overwrite("features", rows.select(*FEATURES.names))
    config = TrainDevise(work_dir=str(tmp_path), **(ONE | {"margin": (0.1, 0.2)}))
    with pytest.raises(InputError, match=r"4 settings to choose from.*give validation_folds"):
        train_on_ranks(spark, config, alone, 0, backbone)


def test_files_for_every_reader_are_wanted(spark, tables, backbone):
    config = TrainDevise(work_dir=tables.work_dir, ranks=8, readers=64, batch_size=64, **ONE)
    with pytest.raises(InputError, match=r"for the 64 readers of all ranks.*train_devise\.readers"):
        train_on_ranks(spark, config, tables, tables.version("features"), backbone)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"ranks": 2, "readers": 3, "batch_size": 6}, "a multiple of 2 ranks"),
        ({"ranks": 2, "batch_size": 7}, "batch_size 7"),
        ({"hidden": 8}, 'give start = "random"'),
    ],
)
def test_readers_batches_and_heads_fit(keys, says):
    with pytest.raises(ValueError, match=says):
        TrainDevise(**keys)
