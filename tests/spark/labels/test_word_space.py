import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.spark.labels.word_space import id_of_labels, id_of_words, require_same_words
from devise_lib.spark.tables.schemas import LABELS, WORD_VECTORS

pytestmark = pytest.mark.spark

N = 200
MATRIX = np.random.default_rng(0).standard_normal((N, 4)).astype(np.float32)
ROWS = [(f"w{i}", N - i, i + 1, v.tolist()) for i, v in enumerate(MATRIX)]


def words_id(spark, rows, partitions=1):
    return id_of_words(spark.createDataFrame(rows, WORD_VECTORS).repartition(partitions))


def test_the_id_is_of_words_and_vectors_in_whatever_order_they_come(spark):
    found = words_id(spark, ROWS)
    assert found.startswith(f"{N}-")
    assert words_id(spark, ROWS[::-1], partitions=3) == found
    uncounted = [(word, None, 1, vector) for word, _, _, vector in ROWS]
    assert words_id(spark, uncounted) == found


def test_the_id_changes_with_any_word_or_number(spark):
    (first, count, rank, vector), *rest = ROWS
    nudged = [*vector[:-1], float(np.nextafter(np.float32(vector[-1]), np.float32(9)))]
    second = rest[0]
    changes = [
        rest,
        [("other", count, rank, vector), *rest],
        [(first, count, rank, nudged), *rest],
        [(first, count, rank, second[3]), (second[0], 1, 2, vector), *rest[1:]],
        [],
    ]
    ids = [words_id(spark, rows) for rows in (ROWS, *changes)]
    assert len(set(ids)) == len(ids)


def test_labels_of_other_words_than_the_models_are_refused(spark):
    row = ("cat", "s", ["cat"], "cat", "exact", True, [], [1.0], [1.0], "8-ab")
    labels = spark.createDataFrame([row], LABELS)
    assert id_of_labels(labels) == "8-ab"
    require_same_words(labels, "8-ab", "devise-v1")
    with pytest.raises(
        InputError, match=r"\(8-ab\) than the model devise-v1 \(9-ab\): run train_d"
    ):
        require_same_words(labels, "9-ab", "devise-v1")
    with pytest.raises(InputError, match="LABELS has no label: run embed_labels"):
        require_same_words(labels.where("label = ''"), "9-ab", "devise-v1")
