import numpy as np
import pytest

from devise_lib.config.search import BuildSignatures
from devise_lib.numerics.hashing import buckets
from devise_lib.spark.search.lsh import _groups, make_hash, nearest_in_buckets, sign
from devise_lib.spark.tables.schemas import EMBEDDINGS, SIGNATURES
from tests.embedded import MODEL, as_rows, clustered, names

pytestmark = pytest.mark.spark

N = 120
VECTORS = clustered(N)
CONFIG = BuildSignatures(bits=5, tables=3, seed=4)


@pytest.fixture(scope="module")
def embeddings(spark):
    return spark.createDataFrame(as_rows(VECTORS), EMBEDDINGS).cache()


@pytest.fixture(scope="module")
def signed(embeddings):
    return sign(embeddings, make_hash(embeddings, CONFIG, MODEL, 16)).cache()


def test_the_hash_row_is_enough_to_hash_again(embeddings, signed):
    made = make_hash(embeddings, CONFIG, MODEL, 16).first()
    planes = np.array(made["hyperplanes"], dtype=np.float32).reshape(-1, made["dimension"])
    wanted = dict(zip(names(N), buckets(VECTORS, planes, made["bits"]).tolist(), strict=True))
    rows = signed.collect()
    assert {row["photo_id"]: row["buckets"] for row in rows} == wanted
    assert {(row["hash_id"], row["model_id"]) for row in rows} == {(made["hash_id"], MODEL)}
    assert made["hash_id"] == "devise-v1-d16-b5-t3-s4"


def test_signatures_do_not_depend_on_the_partitions(embeddings, signed):
    again = sign(embeddings.repartition(7), make_hash(embeddings, CONFIG, MODEL, 16))
    assert sorted(again.collect()) == sorted(signed.collect())


def pairs_of(embeddings, signatures, k, max_bucket):
    rows = nearest_in_buckets(embeddings, signatures, k, max_bucket).collect()
    return {
        (row["photo_id"], row["neighbour_id"]): row["score"]
        for row in rows
        if row["photo_id"] != row["neighbour_id"]
    }


def test_all_that_share_a_bucket_are_compared_when_no_bucket_is_too_large(embeddings, signed):
    of = {row["photo_id"]: row["buckets"] for row in signed.collect()}
    shared = {
        (a, b)
        for a in of
        for b in of
        if a != b and any(x == y for x, y in zip(of[a], of[b], strict=True))
    }
    pairs = pairs_of(embeddings, signed, k=N, max_bucket=N)
    assert set(pairs) == shared
    vector = dict(zip(names(N), VECTORS.astype(np.float64), strict=True))
    for (a, b), score in pairs.items():
        assert score == pytest.approx(vector[a] @ vector[b], abs=1e-6)


@pytest.fixture(scope="module")
def one_bucket(spark):
    rows = [(name, MODEL, "h", [0]) for name in names(N)]
    return spark.createDataFrame(rows, SIGNATURES)


def test_a_large_bucket_offers_all_its_photos_the_same_few(embeddings, one_bucket):
    pairs = pairs_of(embeddings, one_bucket, k=N, max_bucket=10)
    candidates = {b for _, b in pairs}
    assert len(candidates) == 10
    wanted = {(a, b) for a in names(N) for b in candidates if a != b}
    assert set(pairs) == wanted


def test_a_large_bucket_is_cut_in_the_same_way_whatever_the_partitions(embeddings, one_bucket):
    pairs = pairs_of(embeddings, one_bucket, k=3, max_bucket=50)
    assert pairs == pairs_of(embeddings.repartition(5), one_bucket.repartition(3), 3, 50)


def test_no_task_gets_more_than_two_shares_of_a_bucket(one_bucket):
    groups = _groups(one_bucket, 25).groupBy("table", "bucket", "part").count().collect()
    assert len(groups) == 5
    assert max(row["count"] for row in groups) <= 50


def test_the_best_k_of_a_bucket_are_kept(embeddings, one_bucket):
    pairs = pairs_of(embeddings, one_bucket, k=3, max_bucket=N)
    cosines = VECTORS.astype(np.float64) @ VECTORS.astype(np.float64).T
    np.fill_diagonal(cosines, -2)
    best = {
        (names(N)[i], names(N)[j])
        for i in range(N)
        for j in np.argsort(-cosines[i], kind="stable")[:3]
    }
    assert set(pairs) == best
