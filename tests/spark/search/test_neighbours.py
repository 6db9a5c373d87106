import pytest

from devise_lib.config.search import FindNeighbours
from devise_lib.errors import InputError
from devise_lib.spark.search.neighbours import by_signatures, rank
from devise_lib.spark.tables.delta_tables import Tables
from tests.embedded import MODEL

pytestmark = pytest.mark.spark


def in_order(neighbours):
    rows = sorted(neighbours.collect(), key=lambda row: (row["photo_id"], row["rank"]))
    found = {}
    for row in rows:
        found.setdefault(row["photo_id"], []).append(row["neighbour_id"])
        assert row["rank"] == len(found[row["photo_id"]])
        assert -1 <= row["score"] <= 1
    return rows, found


def test_without_signatures_of_the_model_the_job_to_run_is_named(spark, tmp_path):
    tables = Tables.of(spark, FindNeighbours(work_dir=str(tmp_path)))
    tables.create_if_missing("signatures")
    tables.create_if_missing("embeddings")
    with pytest.raises(InputError, match="SIGNATURES has no photo of model devise-v1: run build"):
        by_signatures(tables, tables.of_model("embeddings", MODEL), MODEL, 5, 100)


def test_equal_scores_are_ordered_by_id_and_a_photo_is_not_its_own_neighbour(spark):
    pairs = [("a", "a", 1.0), ("a", "d", 0.5), ("a", "c", 0.5), ("a", "b", 0.1), ("b", "a", 1.1)]
    df = spark.createDataFrame(pairs, "photo_id string, neighbour_id string, score float")
    rows, found = in_order(rank(df, 2, MODEL, "test"))
    assert found == {"a": ["c", "d"], "b": ["a"]}
    assert [row["score"] for row in rows] == [0.5, 0.5, 1.0]
