import numpy as np
import pytest
from pyspark.sql import functions as F

from devise_lib.numerics.candidates import SoftmaxLayer
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.features.folds import (
    MIN_NEW_LABELS,
    TrainingFeatures,
    make_folds,
    new_labels,
)
from devise_lib.spark.features.moments import feature_moments
from devise_lib.spark.tables.schemas import FEATURES
from tests.spark.evaluate.zero_shot_world import CONTROLS, VECTORS, D, feature_row

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(4)
VALUES = RNG.standard_normal((60, D)).astype(np.float32)
NAMES = [("ant", "bee", "cat")[i % 3] for i in range(60)]
FOLD = {"ant": 0, "bee": 2, "cat": 0}  # none is of fold 1
KEPT = [i < 9 for i in range(60)]
LAYER = SoftmaxLayer(np.zeros((D, 2), np.float32), np.zeros(2, np.float32), ["ant", "fox"])


@pytest.fixture(scope="module")
def rows(spark):
    values = [
        feature_row(i, name, value, "train", (FOLD[name], KEPT[i]))
        for i, (name, value) in enumerate(zip(NAMES, VALUES, strict=True))
    ]
    return spark.createDataFrame(values, FEATURES).cache()


def folds_of(rows, photos=100, **options):
    training = TrainingFeatures(rows, feature_moments(rows), VECTORS, CONTROLS, LAYER)
    return make_folds(training, photos, **options)


@pytest.fixture(scope="module")
def found(rows):
    return folds_of(rows)


def numbers(features):
    """Which rows these are."""
    return [int(np.flatnonzero((row == VALUES).all(1))[0]) for row in features]


def test_each_fold_fits_on_the_other_labels_but_for_the_photos_that_are_kept(found):
    assert [fold.number for fold in found] == [0, 2]
    for fold in found:
        mine = [i for i, name in enumerate(NAMES) if FOLD[name] != fold.number and not KEPT[i]]
        assert {row["photo_id"] for row in fold.rows.collect()} == {f"p{i}" for i in mine}
        wanted = ClassMoments.of(VALUES[mine], [NAMES[i] for i in mine])
        assert list(fold.moments.labels) == list(wanted.labels)
        np.testing.assert_allclose(fold.moments.xx, wanted.xx, rtol=1e-6)


def test_labels_held_out_and_photos_that_are_kept_ask(found):
    assert found
    for fold in found:
        labels = fold.validation.candidates
        assert labels.labels == ["ant", "bee", "cat"]
        assert labels.seen.tolist() == [FOLD[name] != fold.number for name in labels.labels]
        np.testing.assert_array_equal(labels.vectors, [VECTORS[n] for n in labels.labels])
        np.testing.assert_array_equal(labels.control_vectors, [CONTROLS[n] for n in labels.labels])
        order = numbers(fold.validation.features)
        asking = [i for i, name in enumerate(NAMES) if FOLD[name] == fold.number or KEPT[i]]
        assert sorted(order) == asking
        assert [labels.labels[place] for place in fold.validation.truth] == [
            NAMES[i] for i in order
        ]


def test_what_asks_is_bounded_and_the_same_at_each_call(rows):
    first, again = folds_of(rows, 15)[0], folds_of(rows.repartition(7), 15)[0]
    assert len(first.validation.features) == 15
    np.testing.assert_array_equal(first.validation.features, again.validation.features)


def test_no_more_folds_are_made_than_wanted(rows):
    assert [fold.number for fold in folds_of(rows, wanted=1)] == [0]


def test_a_label_whose_every_photo_is_kept_asks_for_nothing(rows):
    one = rows.where("label != 'cat'").unionByName(
        rows.where("label = 'cat' AND is_validation_photo").withColumn("fold", F.lit(2))
    )
    first = next(fold for fold in folds_of(one) if fold.number == 0)
    assert first.validation.candidates.labels == ["ant", "bee"]
    assert {NAMES[i] for i in numbers(first.validation.features)} == {"ant", "bee"}


@pytest.mark.parametrize(
    "condition",
    ["fold = 0", "NOT is_validation_photo", "label = 'bee'", "fold IS NULL OR fold < 0"],
)
def test_without_photos_of_both_kinds_there_is_no_fold(rows, condition):
    if condition.startswith("fold IS"):
        rows = rows.withColumn("fold", F.lit(None).cast("int"))
    assert folds_of(rows.where(condition)) == []


def units(count):
    return l2_normalize(np.random.default_rng(1).standard_normal((count, 50)).astype(np.float32))


def test_only_labels_that_the_backbone_does_not_know_ask_where_there_are_enough():
    names = [f"label {n:02}" for n in range(MIN_NEW_LABELS + 3)]
    vectors = dict(zip(names, units(len(names)), strict=True))
    near = l2_normalize(vectors[names[1]] + 0.02 * units(1))[0]  # another word for the same
    vectors |= {"class a": near, "class b": vectors[names[2]]}
    kernel = np.zeros((D, 3), np.float32)
    layer = SoftmaxLayer(kernel, kernel[0], [names[0], "class a", "class b"])
    assert new_labels(names, vectors, layer) == set(names[3:])
    assert new_labels(names[:-1], vectors, layer) == set(names[:-1]), "too few: all ask"
