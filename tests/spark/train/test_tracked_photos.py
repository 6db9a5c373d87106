import numpy as np
import pytest

from devise_lib.spark.tables.schemas import FEATURES
from devise_lib.spark.train.tracked_photos import LABELS, PHOTOS_PER_LABEL, tracked_photos

pytestmark = pytest.mark.spark


def row(label, number, split="test", backbone="b", seen=True):
    feature = np.full(3, number, np.float32).tolist()
    photo_id = f"{label} {backbone} {split} {number:03}"
    return photo_id, "set", label, seen, split, None, False, backbone, feature


def make(spark, rows):
    return spark.createDataFrame(rows, FEATURES).repartition(2)


def test_the_labels_with_most_test_photos_are_taken_half_of_them_unseen(spark):
    rows = [row(f"seen{i:02}", n) for i in range(10) for n in range(10 + i)]
    rows += [row(f"unseen{i}", n, seen=False) for i in range(6) for n in range(2 + i)]
    found = tracked_photos(make(spark, rows), "b")
    assert list(dict.fromkeys(found.labels)) == [
        *("unseen5", "unseen4", "unseen3", "unseen2"),
        *("seen09", "seen08", "seen07", "seen06"),
    ]
    counts = [found.labels.count(label) for label in ("unseen5", "seen09")]
    assert counts == [7, 19]


def test_of_a_label_a_bounded_number_is_taken_the_same_ones_each_time(spark):
    rows = [row(label, n) for label in ("ant", "bee") for n in range(PHOTOS_PER_LABEL + 25)]
    one, two = (tracked_photos(make(spark, order), "b") for order in (rows, rows[::-1]))
    assert one.labels == two.labels == ["ant"] * PHOTOS_PER_LABEL + ["bee"] * PHOTOS_PER_LABEL
    np.testing.assert_array_equal(one.features, two.features)
    assert len(np.unique(one.features[:PHOTOS_PER_LABEL, 0])) == PHOTOS_PER_LABEL
    assert len(one.labels) <= LABELS * PHOTOS_PER_LABEL


def test_training_photos_and_other_backbones_features_are_left_out(spark):
    rows = [row("ant", 1), row("ant", 2, "train"), row("bee", 3, backbone="older")]
    found = tracked_photos(make(spark, rows), "b")
    assert found.labels == ["ant"]
    assert found.features.tolist() == [[1.0, 1.0, 1.0]]
    assert tracked_photos(make(spark, rows[1:]), "b") is None
