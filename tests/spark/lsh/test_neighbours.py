"""Neighbours by signatures need Spark: they are a join over shuffles, tasks and Arrow batches."""

import numpy as np
import pytest

from devise_lib.lsh.fitting import make_hash
from devise_lib.spark.lsh import candidates
from devise_lib.spark.lsh.candidates import compared, key_of
from devise_lib.spark.lsh.code_ranges import count_queries, find_ranges
from devise_lib.spark.lsh.hashes import StoredHash
from devise_lib.spark.lsh.neighbours import Searched, SearchSettings, find_neighbours
from devise_lib.spark.lsh.recall import measure_recall
from devise_lib.spark.tables.caching import PersistScope
from tests.embedded import clustered, names, nearest_by_force

pytestmark = pytest.mark.spark

N, D, K = 600, 16, 5
# A dense cluster, clusters of all sizes, and copies of one photo.
VECTORS = np.concatenate(
    [clustered(250, D, 1), clustered(300, D, 40, seed=1), np.tile(clustered(1, D, 1, 2), (50, 1))]
)
COPIES = set(names(N)[-50:])
# Copies may replace one another, so ids tell the recall of the other photos alone.
EXACT = {q: e for q, e in nearest_by_force(names(N), VECTORS, K).items() if q not in COPIES}


def as_photos(spark, vectors, ids=None):
    rows = zip(ids or names(len(vectors)), (v.tolist() for v in vectors), strict=True)
    frame = spark.createDataFrame(list(rows), "photo_id string, embedding array<float>")
    return frame.repartition(3)


def stored(tables=4, seed=1):
    made = make_hash("hyperplanes", D, 20, tables, seed, VECTORS)
    return StoredHash(made, {"hash_id": "test", "prefix_bits": 4})


def search(photos, queries=None, tables=4, k=K, max_bucket=40, probes=1, seed=1, found=None):
    """The neighbours by photo_id, as (id, score) in the order of their ranks; and the work."""
    searched, how = (
        Searched(photos, stored(tables, seed)),
        SearchSettings(k, max_bucket, probes, 0),
    )
    with PersistScope() as persist:
        ranked, work = find_neighbours(queries, searched, how, persist, found)
        rows = sorted(ranked.collect(), key=lambda row: (row["photo_id"], row["rank"]))
    found = {}
    for row in rows:
        mine = found.setdefault(row["photo_id"], [])
        mine.append((row["neighbour_id"], row["score"]))
        assert row["rank"] == len(mine)
    return found, work


def recall(found, exact):
    shares = [len({n for n, _ in found.get(q, [])} & set(e)) / len(e) for q, e in exact.items()]
    return np.mean(shares)


@pytest.fixture(scope="module")
def photos(spark):
    return as_photos(spark, VECTORS).cache()


@pytest.fixture(scope="module")
def found(photos):
    return search(photos)


def test_every_photo_gets_k_others_by_their_exact_cosines(found):
    neighbours, _ = found
    vector = dict(zip(names(N), VECTORS.astype(float), strict=True))
    assert set(neighbours) == set(names(N))
    for name, mine in neighbours.items():
        assert len(mine) == K
        assert name not in dict(mine)
        assert len(dict(mine)) == K
        for other, score in mine:
            assert score == pytest.approx(min(1, vector[name] @ vector[other]), abs=1e-6)
        assert mine == sorted(mine, key=lambda each: (-each[1], each[0]))


def test_most_neighbours_are_the_exact_ones_and_more_tables_find_more(found, photos):
    few, _ = search(photos, tables=1)
    assert recall(found[0], EXACT) > 0.75
    assert recall(found[0], EXACT) > recall(few, EXACT) + 0.1


def test_copies_of_a_photo_find_each_other_though_their_bucket_is_sampled(found):
    for name in COPIES:
        assert {other for other, _ in found[0][name]} < COPIES


def test_the_rows_do_not_depend_on_partitions(found, photos):
    again, work = search(photos.repartition(5, "embedding"))
    assert again == found[0]
    assert work == found[1]


def test_what_was_compared_is_told(photos, found):
    ranges = find_ranges(photos, stored().hash, least=K + 1, most=40)
    sizes = [size for of_table in ranges.sizes for size in of_table.tolist()]
    assert [sum(of_table) for of_table in ranges.sizes] == [N] * 4
    assert min(sizes) >= K + 1
    limit = 40 + 2 * (K + 1)
    assert found[1] == compared(ranges, limit)
    assert found[1]["buckets capped"] == sum(size > limit for size in sizes)
    assert found[1]["candidates scored"] == sum(size * min(size, limit) for size in sizes)


def test_a_bucket_that_one_task_does_not_hold_is_spread_with_the_same_candidates(spark):
    """Copies have the same codes, so that no prefix cuts their bucket: 200 photos, at most 18."""
    many = as_photos(spark, np.tile(VECTORS[:1], (200, 1)))
    one_table, work = search(many, k=5, max_bucket=6, tables=1)
    assert work == {"candidates scored": 200 * 18, "buckets": 1, "buckets capped": 1}
    offered = {other for mine in one_table.values() for other, _ in mine}
    assert 6 <= len(offered) <= 18  # of equal scores, so that keys and ids decide
    assert [len(mine) for mine in one_table.values()] == [5] * 200
    several, _ = search(many, k=5, max_bucket=6, tables=4)
    assert not {other for mine in several.values() for other, _ in mine} <= offered


def test_many_queries_of_one_range_are_spread(spark):
    """Parts of a range and blocks are sized by queries as well, of which one range has 900."""
    photos, asked = as_photos(spark, VECTORS[:12]), np.tile(VECTORS[:1], (900, 1))
    queries = as_photos(spark, asked, [f"q{i}" for i in range(900)])
    made = stored(1)
    ranges = find_ranges(photos, made.hash, least=4, most=4)
    assert sum(count_queries(queries, made.hash, ranges).asked[0]) == 900
    neighbours, work = search(photos, queries, k=3, max_bucket=4, tables=1)
    assert {len(mine) for mine in neighbours.values()} == {3}
    assert len(neighbours) == 900
    assert work["candidates scored"] >= 900 * 4


def test_photos_that_are_none_give_no_neighbours(spark, photos):
    for empty in (photos.where("photo_id = 'none'"), as_photos(spark, np.zeros((3, D)))):
        neighbours, work = search(empty, photos)
        assert (neighbours, work) == ({}, {"candidates scored": 0})


@pytest.mark.parametrize(("n", "k"), [(1, 5), (2, 5), (5, 5), (6, 5)])
def test_few_photos_get_all_others(spark, n, k):
    neighbours, _ = search(as_photos(spark, VECTORS[:n]), k=k)
    assert {name: len(mine) for name, mine in neighbours.items()} == (
        {} if n == 1 else dict.fromkeys(names(n), min(k, n - 1))
    )


def test_queries_of_a_table_get_k_photos_and_more_probes_find_more(spark, photos):
    rng = np.random.default_rng(3)
    asked = VECTORS[::6] + 0.05 * rng.standard_normal((100, D)).astype(np.float32)
    ids = [f"q{i}" for i in range(100)]
    queries = as_photos(spark, asked, ids)
    cosines = asked.astype(float) @ VECTORS.astype(float).T
    every = np.array(names(N))
    exact = {
        name: [every[i] for _, i in sorted((-c, i) for i, c in enumerate(row))[:K]]
        for name, row in zip(ids, cosines, strict=True)
    }
    recalls = []
    for probes in (1, 4):
        neighbours, work = search(photos, queries, tables=2, probes=probes)
        assert {name: len(mine) for name, mine in neighbours.items()} == dict.fromkeys(ids, K)
        assert work.get("candidates scored", 0) < 100 * 2 * 62
        assert ("candidates scored" in work) == (probes == 1)
        recalls.append(recall(neighbours, exact))
    assert recalls[1] > recalls[0] + 0.1


def test_neighbours_of_an_earlier_run_compete_with_those_of_another_hash(spark, photos):
    first, _ = search(photos, tables=1)
    rows = [(name, other) for name, mine in first.items() for other, _ in mine]
    gone = [(name, "gone") for name in names(5)]  # a photo that is there no more
    found = spark.createDataFrame(rows + gone, "photo_id string, neighbour_id string")
    both, _ = search(photos, tables=1, seed=2, found=found)
    alone, _ = search(photos, tables=1, seed=2)
    assert recall(both, EXACT) > max(recall(first, EXACT), recall(alone, EXACT)) + 0.05
    for name, mine in both.items():
        every = {**dict(first[name]), **dict(alone[name])}
        assert mine == sorted(every.items(), key=lambda each: (-each[1], each[0]))[:K]


def results_by_stage(spark):
    """By stage, the bytes that its tasks have sent to the driver, without what is shuffled."""
    gateway, jvm = spark.sparkContext._gateway, spark.sparkContext._jvm
    none = (gateway.new_array(jvm.double, 0), jvm.java.util.ArrayList())
    stages = spark.sparkContext._jsc.sc().statusStore().stageList(None, False, False, *none)
    each = (stages.apply(place) for place in range(stages.length()))
    return {stage.stageId(): stage.resultSize() for stage in each}


def test_the_driver_gets_a_few_numbers_per_range_and_nothing_per_photo(spark):
    grown = {}
    for n in (1_000, 4_000):
        searched = Searched(as_photos(spark, clustered(n, D, 20)), stored())
        how = SearchSettings(K, max_bucket=200, probes=1, seed=0)
        before = max(results_by_stage(spark), default=-1)
        with PersistScope() as persist:
            ranked, work = find_neighbours(None, searched, how, persist)
            ranked.write.format("noop").mode("overwrite").save()
        sizes = results_by_stage(spark)
        grown[n] = (sum(sizes[each] for each in sizes if each > before), work["buckets"])
    assert grown[1_000][0] > 0
    more, ranges = (b - a for a, b in zip(grown[1_000], grown[4_000], strict=True))
    assert ranges > 50
    assert more < 32 * ranges + 4_000  # 20 bytes per range; metrics of tasks differ a little
    assert more < 3 * 3_000  # bytes per further photo; an id alone has 6, a vector 64


def test_a_salt_is_found_with_which_no_two_ids_have_one_key(photos, monkeypatch):
    salts = []

    def key(column, salt):
        salts.append(salt)
        return key_of(column, salt) % (5 if salt < 2 else 2**62)

    monkeypatch.setattr(candidates, "key_of", key)
    assert candidates.find_salt(photos) == 2
    assert salts == [0, 1, 2]


def test_recall_on_a_sample_is_that_of_the_rows(spark, photos, found):
    rows = [
        (name, other, rank + 1, float(score))
        for name, mine in found[0].items()
        for rank, (other, score) in enumerate(mine)
    ]
    schema = "photo_id string, neighbour_id string, rank int, score float"
    neighbours = spark.createDataFrame(rows, schema)
    measured = measure_recall(photos, neighbours, D, N, K, seed=0)
    true = (recall(found[0], EXACT) * len(EXACT) + len(COPIES)) / N
    assert measured == pytest.approx(true, abs=0.005)
    worse = neighbours.where("rank < 3")
    assert measure_recall(photos, worse, D, 50, K, seed=0) < measured
    assert measure_recall(photos.limit(1), neighbours, D, 50, K, seed=0) is None
