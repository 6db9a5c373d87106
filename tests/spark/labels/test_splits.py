import pytest

from devise_lib.numerics.splits import fold_of, is_test
from devise_lib.spark.labels.splits import (
    VALIDATION_SHARE,
    count_without_label_set,
    has_vector,
    labelled_photos,
    with_fold,
)
from devise_lib.spark.tables.schemas import LABELS, PHOTOS
from tests.rows import row_of

pytestmark = pytest.mark.spark

VECTOR = [1.0, 0.0]
LABEL_ROWS = [  # label, label_set, terms, term, coverage, seen, aliases, vector
    ("cat", "a", ["cat"], "cat", "exact", True, ["tabby", "kitten"], VECTOR),
    ("dog", "a", ["dog"], "dog", "exact", False, None, VECTOR),
    ("owl", "a", ["owl"], "owl", "exact", True, [], VECTOR),
    ("owl", "b", ["owl"], "owl", "exact", False, [], VECTOR),
    ("elk", "a", ["elk"], None, "missing", True, [], None),
]
NAMES = {"cat": "cat", "tabby": "cat", "kitten": "cat", "dog": "dog", "owl": "owl", "elk": "elk"}


@pytest.fixture(scope="module")
def labels(spark):
    return spark.createDataFrame([(*row, row[-1], "words") for row in LABEL_ROWS], LABELS)


def make_photos(spark, names, share=None):
    rows = [
        row_of(PHOTOS, photo_id=f"p{i}", label=name, test_share=share, content=b"x")
        for i, name in enumerate(names)
    ]
    return spark.createDataFrame(rows, PHOTOS)


def by_id(df):
    rows = df.collect()
    assert len({row["photo_id"] for row in rows}) == len(rows), "each photo once"
    return {row["photo_id"]: row for row in rows}


def test_each_photo_of_a_known_label_comes_once_under_the_labels_own_name(spark, labels):
    names = [*NAMES, "unicorn", None, "CAT"]
    found = by_id(labelled_photos(make_photos(spark, names), labels, 0.5, 0))
    assert {pid: row["label"] for pid, row in found.items()} == {
        f"p{i}": NAMES[name] for i, name in enumerate(names) if name in NAMES
    }
    assert all(row["content"] == b"x" for row in found.values())
    assert "alias" not in found["p0"].asDict()


def test_photos_whose_label_is_in_no_set_are_counted(spark, labels):
    photos = make_photos(spark, [*NAMES, "unicorn", None, "CAT", "unicorn"])
    assert count_without_label_set(photos, labels) == 3
    assert count_without_label_set(make_photos(spark, NAMES), labels) == 0


def test_photos_of_unseen_labels_are_for_testing_and_a_share_of_the_others(spark, labels):
    photos = make_photos(spark, ["cat", "dog", "owl", "elk"] * 25)
    found = by_id(labelled_photos(photos.repartition(5), labels, 0.3, 4))
    assert len(found) == 100
    for photo_id, row in found.items():
        kept = row["label"] in ("dog", "owl") or is_test(photo_id, 0.3, 4)
        assert row["split"] == ("test" if kept else "train")
        assert row["seen"] == (row["label"] in ("cat", "elk"))
    assert {row["split"] for row in found.values() if row["label"] == "cat"} == {"test", "train"}


@pytest.mark.parametrize(("share", "split"), [(0.0, "train"), (1.0, "test")])
def test_the_share_of_a_source_goes_before_the_common_one(spark, labels, share, split):
    photos = make_photos(spark, ["cat", "elk"] * 10, share)
    found = by_id(labelled_photos(photos, labels, 0.5, 0))
    assert {row["split"] for row in found.values()} == {split}


def test_training_photos_have_the_fold_of_their_label_and_a_tenth_is_kept(spark):
    labels = [f"label {n}" for n in range(10)]
    rows = [(f"p{i}", labels[i % 10], "test" if i % 4 == 0 else "train") for i in range(400)]
    photos = spark.createDataFrame(rows, "photo_id string, label string, split string")
    found = {row["photo_id"]: row for row in with_fold(photos, 3, 5).collect()}
    for photo_id, label, split in rows:
        row = found[photo_id]
        train = split == "train"
        assert row["fold"] == (fold_of(label, 3, 5) if train else None)
        assert row["is_validation_photo"] == (
            train and is_test(f"fold:{photo_id}", VALIDATION_SHARE, 5)
        )
    assert {row["fold"] for row in found.values()} == {0, 1, 2, None}
    assert 10 < sum(row["is_validation_photo"] for row in found.values()) < 60


def test_without_folds_nothing_is_held_out(spark):
    photos = spark.createDataFrame(
        [(f"p{i}", "cat", "train") for i in range(50)],
        "photo_id string, label string, split string",
    )
    found = with_fold(photos, 0, 0)
    assert {(row["fold"], row["is_validation_photo"]) for row in found.collect()} == {(None, False)}
    assert found.schema["fold"].dataType.simpleString() == "int"


def test_a_label_without_a_vector_is_no_candidate(labels):
    assert {row["label"] for row in labels.where(has_vector()).collect()} == {"cat", "dog", "owl"}
