import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.numerics.linear import Moments
from devise_lib.spark.devise import (
    feature_moments,
    label_vectors,
    training_labels,
)
from devise_lib.spark.schemas import LABELS

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(4)
VECTORS = {name: RNG.standard_normal(3).astype(np.float32) for name in ("ant", "bee", "cat")}
RANDOM = {"ant": [1.0, 0.0, 0.0], "bee": [0.0, 1.0, 0.0], "cat": [0.0, 0.0, 1.0]}
FEATURES = RNG.standard_normal((50, 5)).astype(np.float32)
NAMES = [list(VECTORS)[i % 3] for i in range(50)]


@pytest.fixture(scope="module")
def rows(spark):
    values = [(name, feature.tolist()) for name, feature in zip(NAMES, FEATURES, strict=True)]
    return spark.createDataFrame(values, "label string, feature array<float>").cache()


def test_the_vectors_of_labels_are_those_that_there_are(spark):
    rows = [
        (name, label_set, [name], name, "exact", True, [], vector.tolist(), RANDOM[name], "words")
        for name, vector in VECTORS.items()
        for label_set in ("a", "b")
    ]
    rows.append(("dodo", "a", ["dodo"], None, "missing", True, [], None, None, "words"))
    labels = spark.createDataFrame(rows, LABELS)
    found = label_vectors(labels)
    assert set(found) == set(VECTORS)
    for name, vector in VECTORS.items():
        assert found[name].dtype == np.float32
        assert (found[name] == vector).all()
    controls = label_vectors(labels, "random_vector")
    assert {name: vector.tolist() for name, vector in controls.items()} == RANDOM


def test_training_labels_are_sorted_and_each_must_have_a_vector(rows):
    assert training_labels(rows, VECTORS) == ["ant", "bee", "cat"]
    with pytest.raises(InputError, match=r"without a vector in LABELS \(cat\).*extract_features"):
        training_labels(rows, {name: VECTORS[name] for name in ("ant", "bee")})


@pytest.mark.parametrize("partitions", [1, 4, 60])
def test_moments_are_those_of_all_rows_however_they_are_dealt_to_tasks(spark, rows, partitions):
    found = feature_moments(rows.repartition(partitions), spark.sparkContext.broadcast(VECTORS))
    wanted = Moments.of(FEATURES, np.stack([VECTORS[name] for name in NAMES]))
    assert found.n == 50
    for part in ("x", "xx", "y", "xy"):
        np.testing.assert_allclose(getattr(found, part), getattr(wanted, part), rtol=1e-6)


def test_no_row_to_train_on_is_told(spark, rows):
    with pytest.raises(InputError, match="no feature to train on"):
        feature_moments(rows.where("label = 'none'"), spark.sparkContext.broadcast(VECTORS))
