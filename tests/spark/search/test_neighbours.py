import pytest

from devise_lib.config.search import BuildIndex, FindNeighbours
from devise_lib.errors import InputError
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.search.neighbours import by_index, by_signatures, rank
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.embedded import MODEL, as_rows, clustered, found_share, names, nearest_by_force

pytestmark = pytest.mark.spark

N = 300
VECTORS = clustered(N)
EXACT = nearest_by_force(names(N), VECTORS, 5)


@pytest.fixture(scope="module")
def embeddings(spark):
    return spark.createDataFrame(as_rows(VECTORS), EMBEDDINGS).repartition(2).cache()


@pytest.fixture(scope="module")
def bundle(embeddings, tmp_path_factory):
    config = BuildIndex(work_dir=str(tmp_path_factory.mktemp("work")), k=5, recall_target=1.0)
    return build_bundle(embeddings, config, MODEL, 0, "run")


def in_order(neighbours):
    rows = sorted(neighbours.collect(), key=lambda row: (row["photo_id"], row["rank"]))
    found = {}
    for row in rows:
        found.setdefault(row["photo_id"], []).append(row["neighbour_id"])
        assert row["rank"] == len(found[row["photo_id"]])
        assert -1 <= row["score"] <= 1
    return rows, found


def test_an_exact_index_gives_the_neighbours_of_brute_force(embeddings, bundle):
    rows, found = in_order(by_index(embeddings, bundle, MODEL, 5))
    assert found == EXACT
    assert {(row["model_id"], row["source"]) for row in rows} == {(MODEL, bundle.name)}


def test_each_photo_has_k_neighbours_where_the_lists_probed_hold_fewer(embeddings, bundle):
    _, found = in_order(by_index(embeddings, bundle, MODEL, N - 1))
    assert {len(others) for others in found.values()} == {N - 1}
    assert all(name not in others for name, others in found.items())


def test_neighbours_do_not_depend_on_the_partitions(embeddings, bundle):
    rows, _ = in_order(by_index(embeddings, bundle, MODEL, 5))
    assert in_order(by_index(embeddings.repartition(7), bundle, MODEL, 5))[0] == rows


def test_a_photo_newer_than_the_index_has_neighbours_and_is_none(spark, bundle):
    new = spark.createDataFrame(as_rows(VECTORS[:1], photo_ids=["new"]), EMBEDDINGS)
    rows, found = in_order(by_index(new, bundle, MODEL, 3))
    assert found == {"new": [names(N)[0], *EXACT[names(N)[0]][:2]]}
    assert rows[0]["score"] == pytest.approx(1)


def test_an_index_of_another_model_is_refused(embeddings, bundle):
    with pytest.raises(InputError, match="is of model devise-v1, and devise-v2 was asked for"):
        by_index(embeddings, bundle, "devise-v2", 5)


def test_without_signatures_of_the_model_the_job_to_run_is_named(spark, tmp_path):
    tables = Tables.of(spark, FindNeighbours(work_dir=str(tmp_path)))
    tables.create_if_missing("signatures")
    with pytest.raises(InputError, match="SIGNATURES has no photo of model devise-v1: run build"):
        by_signatures(tables, MODEL, 5, 100)


def test_equal_scores_are_ordered_by_id_and_a_photo_is_not_its_own_neighbour(spark):
    pairs = [("a", "a", 1.0), ("a", "d", 0.5), ("a", "c", 0.5), ("a", "b", 0.1), ("b", "a", 1.1)]
    df = spark.createDataFrame(pairs, "photo_id string, neighbour_id string, score float")
    rows, found = in_order(rank(df, 2, MODEL, "test"))
    assert found == {"a": ["c", "d"], "b": ["a"]}
    assert [row["score"] for row in rows] == [0.5, 0.5, 1.0]


def test_the_share_found_counts_what_is_missing(embeddings, bundle):
    rows = by_index(embeddings, bundle, MODEL, 2).collect()
    assert found_share(rows, EXACT) == pytest.approx(2 / 5)
