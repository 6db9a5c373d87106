import numpy as np
import pytest
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.numerics.moments import ClassMoments
from devise_lib.spark.features import moments as moments_module
from devise_lib.spark.features.moments import (
    collect_features,
    feature_labels,
    feature_moments,
    label_vectors,
    total_moments,
)
from devise_lib.spark.tables.schemas import FEATURES, LABELS
from tests.spark.evaluate.zero_shot_world import CONTROLS, VECTORS, D, feature_row, label_row

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(4)
VALUES = RNG.standard_normal((60, D)).astype(np.float32)
NAMES = [("ant", "bee", "cat")[i % 3] for i in range(60)]
PARTS = [(int(NAMES[i] == "bee"), i < 9) for i in range(60)]  # fold and is_validation_photo


@pytest.fixture(scope="module")
def rows(spark):
    triples = zip(NAMES, VALUES, PARTS, strict=True)
    values = [feature_row(i, n, v, "train", part) for i, (n, v, part) in enumerate(triples)]
    return spark.createDataFrame(values, FEATURES).cache()


def test_a_sample_comes_to_the_driver_as_a_matrix_with_its_columns(rows):
    features, parts = collect_features(
        rows.orderBy("photo_id"), ("label", "fold", "is_validation_photo")
    )
    assert features.dtype == np.float32
    wanted = {tuple(v): (n, *part) for v, n, part in zip(VALUES, NAMES, PARTS, strict=True)}
    assert {tuple(v): part for v, part in zip(features, parts, strict=True)} == wanted
    nothing, of_none = collect_features(rows.where("label = 'elk'"), ("label",))
    assert (len(nothing), of_none) == (0, [])


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


def test_labels_of_features_are_sorted_and_each_must_have_a_vector(rows):
    assert feature_labels(rows, VECTORS) == ["ant", "bee", "cat"]
    with pytest.raises(InputError, match=r"1 labels without a vector in LABELS \(cat\).*run extr"):
        feature_labels(rows, {name: VECTORS[name] for name in ("ant", "bee")})


def assert_same(found, features, labels):
    wanted = ClassMoments.of(features, labels)
    assert list(found.labels) == list(wanted.labels)
    assert found.counts.tolist() == wanted.counts.tolist()
    np.testing.assert_allclose(found.sums, wanted.sums, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.xx, wanted.xx, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("partitions", "band"), [(1, 2**20), (4, 2 * D), (20, D)])
def test_moments_are_those_of_each_parts_rows_however_they_are_dealt_to_tasks(
    rows, partitions, band, monkeypatch
):
    monkeypatch.setattr(moments_module, "BAND", band)
    found = feature_moments(rows.repartition(partitions))
    assert set(found) == set(PARTS)
    for part, moments in found.items():
        mine = [i for i, own in enumerate(PARTS) if own == part]
        assert_same(moments, VALUES[mine], [NAMES[i] for i in mine])
    assert_same(total_moments(found.values()), VALUES, NAMES)


def test_moments_of_rows_without_folds(rows):
    none = F.lit(None).cast("int")
    [(part, moments)] = feature_moments(
        rows.withColumns({"fold": none, "is_validation_photo": F.lit(False)})
    ).items()
    assert part == (None, False)
    assert_same(moments, VALUES, NAMES)


def test_no_row_to_train_on_is_told(rows):
    with pytest.raises(InputError, match="no feature to train on"):
        feature_moments(rows.where("label = 'none'"))
