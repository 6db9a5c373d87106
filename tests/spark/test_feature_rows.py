import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.numerics.moments import ClassMoments
from devise_lib.spark.feature_rows import (
    feature_moments,
    label_vectors,
    read_validation,
    total_moments,
    training_labels,
)
from devise_lib.spark.labelled import FIT, SEEN_FOLD, UNSEEN_FOLD
from devise_lib.spark.schemas import FEATURES, LABELS
from tests.spark.zero_shot_world import CONTROLS, VECTORS, D, feature_row, label_row

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(4)
VALUES = RNG.standard_normal((60, D)).astype(np.float32)
NAMES = [("ant", "bee", "cat")[i % 3] for i in range(60)]
# Photos of bee play those of an unseen label; a few of the others are kept from fitting.
FOLDS = [UNSEEN_FOLD if n == "bee" else SEEN_FOLD if i < 9 else FIT for i, n in enumerate(NAMES)]


@pytest.fixture(scope="module")
def rows(spark):
    triples = zip(NAMES, VALUES, FOLDS, strict=True)
    values = [feature_row(i, n, v, "train", fold) for i, (n, v, fold) in enumerate(triples)]
    return spark.createDataFrame(values, FEATURES).cache()


def test_the_vectors_of_labels_are_those_that_there_are(spark):
    values = [label_row(name, True, s) for name in ("ant", "bee") for s in ("a", "b")]
    values.append(label_row("dog", True, "a", vector=False))
    labels = spark.createDataFrame(values, LABELS)
    for column, wanted in (("vector", VECTORS), ("random_vector", CONTROLS)):
        found = label_vectors(labels, column)
        assert set(found) == {"ant", "bee"}
        for name, vector in found.items():
            assert vector.dtype == np.float32
            assert (vector == wanted[name]).all()


def test_training_labels_are_sorted_and_each_must_have_a_vector(rows):
    assert training_labels(rows, VECTORS) == ["ant", "bee", "cat"]
    with pytest.raises(InputError, match=r"without a vector in LABELS \(cat\).*extract_features"):
        training_labels(rows, {name: VECTORS[name] for name in ("ant", "bee")})


def assert_same(found, features, labels):
    wanted = ClassMoments.of(features, labels)
    assert list(found.labels) == list(wanted.labels)
    assert found.counts.tolist() == wanted.counts.tolist()
    np.testing.assert_allclose(found.sums, wanted.sums, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.xx, wanted.xx, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("partitions", [1, 4, 70])
def test_moments_are_those_of_each_folds_rows_however_they_are_dealt_to_tasks(rows, partitions):
    found = feature_moments(rows.repartition(partitions))
    assert set(found) == {FIT, SEEN_FOLD, UNSEEN_FOLD}
    for fold, moments in found.items():
        mine = [i for i, own in enumerate(FOLDS) if own == fold]
        assert_same(moments, VALUES[mine], [NAMES[i] for i in mine])
    assert_same(total_moments(found), VALUES, NAMES)


def test_no_row_to_train_on_is_told(rows):
    with pytest.raises(InputError, match="no feature to train on"):
        feature_moments(rows.where("label = 'none'"))


def test_validation_photos_are_those_that_nothing_is_fitted_on(rows):
    found = read_validation(rows, VECTORS, CONTROLS, 100)
    labels = found.candidates
    assert labels.labels == ["ant", "bee", "cat"]
    assert labels.seen.tolist() == [True, False, True]
    np.testing.assert_array_equal(labels.vectors, [VECTORS[name] for name in labels.labels])
    np.testing.assert_array_equal(labels.control_vectors, [CONTROLS[n] for n in labels.labels])
    kept = [i for i, fold in enumerate(FOLDS) if fold != FIT]
    order = [np.flatnonzero((row == VALUES).all(1))[0] for row in found.features]
    assert sorted(order) == kept
    assert [labels.labels[place] for place in found.truth] == [NAMES[i] for i in order]


def test_validation_is_bounded_and_the_same_at_each_call(rows):
    first = read_validation(rows, VECTORS, CONTROLS, 15)
    again = read_validation(rows.repartition(7), VECTORS, CONTROLS, 15)
    assert len(first.features) == 15
    np.testing.assert_array_equal(first.features, again.features)


@pytest.mark.parametrize("fold", [FIT, UNSEEN_FOLD])
def test_without_photos_of_both_kinds_there_is_no_validation(rows, fold):
    assert read_validation(rows.where(f"fold IN ('{FIT}', '{fold}')"), VECTORS, CONTROLS, 9) is None
