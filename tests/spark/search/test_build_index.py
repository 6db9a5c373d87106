"""Index bundles from EMBEDDINGS. Spark reads the table, spreads its rows and runs the tasks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F

from devise_lib.command_line import find_input_error
from devise_lib.config.search import BuildIndex
from devise_lib.errors import InputError
from devise_lib.index.bundle import index_root, read_current, verify
from devise_lib.index.places import place_of
from devise_lib.numerics.retrieval import top_k
from devise_lib.spark.search import index_plan
from devise_lib.spark.search.build_index import build_bundle, write_recall
from devise_lib.spark.search.index_steps import smallest_hashes
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.embedded import MODEL, as_rows, clustered, names, write_embeddings
from tests.index.built import plan_in
from tests.rows import read_rows

pytestmark = pytest.mark.spark

N = 400
VECTORS = clustered(N)
IDS = names(N)
IN_ORDER = sorted(range(N), key=lambda i: (place_of(IDS[i]), IDS[i]))
BAD = {
    "null": None,
    "short": np.ones(15),
    "zero": np.zeros(16),
    "nan": np.full(16, np.nan),
    "inf": np.array([np.inf] + [0.0] * 15),
}


def config_in(folder, **changes):
    values = {"k": 5, "queries": 40, "recall_target": 0.8, **changes}
    return BuildIndex(work_dir=str(folder), **values)


def build(spark, config, rows, partitions=3):
    tables = Tables.of(spark, config)
    write_embeddings(spark, config, rows, partitions)
    return build_bundle(tables, config, MODEL, "run")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def bundle(spark, work):
    """Of all photos, those that cannot be indexed among them, and of another model."""
    rows = as_rows(VECTORS) + as_rows(BAD.values(), photo_ids=BAD)
    twice = as_rows(VECTORS[:1], photo_ids=IDS[:1])
    return build(spark, config_in(work), rows + twice + as_rows(VECTORS[:9], "devise-v2"))


def test_rows_are_in_the_order_of_their_places_and_hold_every_vector(bundle):
    verify(bundle)
    index = bundle.open()
    assert index.photo_ids(np.arange(N)).tolist() == [IDS[i] for i in IN_ORDER]
    found = index.search_all(VECTORS[IN_ORDER], 1)
    assert found.rows[:, 0].tolist() == list(range(N))
    np.testing.assert_allclose(found.scores, 1, atol=1e-5)


def test_the_manifest_says_what_was_built(bundle):
    made = bundle.manifest
    assert (made.model_id, made.table, made.table_version, made.run_id, made.n) == (
        (MODEL, "embeddings", 1, "run", N)
    )
    assert (made.index_key, made.dimension, made.k) == ("IVF9,Flat", 16, 5)
    assert made.queries == 20  # the other half has chosen the settings
    assert made.point.low <= made.point.recall <= made.point.high
    assert made.settings in [point.settings for point in made.curve]
    assert set(made.costs) == {"seeds", "shards", "merge", "tuned"}
    assert all(2**24 < cost.peak_bytes < 2**32 for cost in made.costs.values())


def test_what_cannot_be_indexed_is_in_quarantine_with_its_id(bundle, work):
    assert bundle.manifest.rejected == {
        **{"wrong_length": 2, "zero_vector": 1, "not_finite": 2},
        "duplicate_id": 1,
    }
    rows = {row["photo_id"]: row for row in read_rows(work, "quarantine")}
    assert {name: row["reason"] for name, row in rows.items()} == {
        **{"null": "wrong_length", "short": "wrong_length", "zero": "zero_vector"},
        **{"nan": "not_finite", "inf": "not_finite", IDS[0]: "duplicate_id"},
    }
    assert {(row["stage"], row["model_id"], row["photo_set"]) for row in rows.values()} == {
        ("build_index", MODEL, "test")
    }
    assert rows["short"]["message"] == "the embedding has 15 numbers, want 16"


def test_the_order_of_rows_and_the_number_of_shards_do_not_change_the_bundle(
    spark, tmp_path, monkeypatch
):
    few = build(spark, config_in(tmp_path), as_rows(VECTORS), partitions=1)
    monkeypatch.setattr(index_plan, "TASKS_PER_CORE", 8)
    many = build(spark, config_in(tmp_path), as_rows(VECTORS[::-1], photo_ids=IDS[::-1]))
    assert many.manifest.costs["shards"].tasks > few.manifest.costs["shards"].tasks
    assert many.manifest.files == few.manifest.files


def test_the_promise_holds_for_queries_that_it_has_not_seen(spark, tmp_path):
    vectors = clustered(3000, d=24, clusters=60)
    config = config_in(tmp_path, recall_target=0.9, queries=400, k=10)
    bundle = build(spark, config, as_rows(vectors[:2800]))
    exact, _ = top_k(vectors[2800:], vectors[:2800], 10)
    index = bundle.open()
    found = index.photo_ids(index.search(vectors[2800:], 10).rows)
    wanted = np.array(names(2800))[exact]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, wanted, strict=True)])
    assert recall >= 0.9 - 0.03
    assert bundle.manifest.settings.nprobe < bundle.manifest.nlist  # the promise costs something


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index_key": "IVF401,Flat"}, "vectors to train 401 lists on"),
        ({"index_key": "HNSW32"}, "index_key is 'HNSW32': want an inverted file"),
        ({"devices": "gpu", "k": 4}, "sees no GPU in a task: install faiss for GPUs"),
        ({"max_bad_share": 0.01}, "6 of 406 embeddings cannot be indexed, above build_index.max_b"),
        ({"bytes_per_vector": 8}, "8.0 bytes per vector are too few"),
        ({"max_memory_gib": 0.3}, "max_memory_gib is 0.3, but 9 centroids of 16 numbers need"),
        ({"max_latency_ms": 1e-6}, "no search settings answer within max_latency_ms 1e-06"),
        ({"index_key": "IVF9,PQ1x4", "recall_target": 0.99}, "no search settings reach recall_t"),
    ],
)
def test_what_cannot_be_met_is_said_and_leaves_the_bundle_that_was_there(
    spark, bundle, work, changes, message
):
    config = config_in(work, **changes)
    with pytest.raises(Exception, match=r".") as failure:
        build_bundle(Tables.of(spark, config), config, MODEL, "run")
    assert message in str(find_input_error(failure.value))
    assert read_current(str(work)).name == bundle.name


@pytest.mark.parametrize("n", [1, 12])
def test_few_photos_make_an_index_too(spark, tmp_path, n):
    bundle = build(spark, config_in(tmp_path), as_rows(VECTORS[:n]))
    verify(bundle)
    made = bundle.manifest
    assert (made.n, made.nlist, made.point.recall) == (n, 1, 1.0)
    assert made.k == min(5, n - 1)
    assert made.queries == 1  # a tenth at most, though 40 are asked for


def test_no_photo_or_none_with_a_vector_is_refused(spark, tmp_path):
    config = config_in(tmp_path)
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of model devise-v1: run embed"):
        build(spark, config, as_rows(VECTORS[:3], "devise-v2"))
    with pytest.raises(Exception, match="no vector of the sample can be indexed"):
        build(spark, config, as_rows([np.zeros(16), np.zeros(16)]))
    assert not Path(index_root(str(tmp_path)), "CURRENT").exists()


def test_old_bundles_are_removed_but_for_those_that_are_kept(spark, tmp_path):
    root = Path(index_root(str(tmp_path)))
    made = [
        build(spark, config_in(tmp_path, keep_bundles=2), as_rows(VECTORS[:n])).name
        for n in (30, 40, 50)
    ]
    assert sorted(path.name for path in root.iterdir()) == sorted(["CURRENT", *made[1:]])


def test_recall_replaces_what_the_model_had_in_metrics(spark, bundle, tmp_path):
    tables = Tables.of(spark, config_in(tmp_path))
    write_recall(tables, bundle)
    kept = tables.read("metrics").first().asDict() | {"method": "devise", "value": 0.1}
    tables.append("metrics", spark.createDataFrame([kept], tables.read("metrics").schema))
    write_recall(tables, bundle)
    rows = {row["method"]: row for row in read_rows(tmp_path, "metrics")}
    assert (len(rows), rows["devise"]["value"]) == (2, 0.1)
    ivf = rows["ivf"]
    assert (ivf["metric"], ivf["k"], ivf["candidate_set"]) == ("recall", 5, "exact_search")
    assert (ivf["value"], ivf["model_id"]) == (bundle.manifest.point.recall, MODEL)


def test_a_broken_off_build_goes_on_where_it_was(spark, tmp_path, capsys):
    """The promise that failed after hours is lowered; shards and index are not made again."""
    config = config_in(tmp_path, index_key="IVF9,PQ1x4", recall_target=0.99)
    with pytest.raises(Exception, match="no search settings reach"):
        build(spark, config, as_rows(VECTORS))
    [draft] = [path for path in Path(index_root(str(tmp_path))).iterdir() if path.is_dir()]
    damaged, short = draft / "shards" / "000002.codes.npy", draft / "shards" / "000003.ids.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    short.write_bytes(short.read_bytes()[:-9])
    write_embeddings(spark, config, as_rows(VECTORS[:50]))  # a newer version of the table

    lower = config.model_copy(update={"recall_target": 0.05})
    plan = json.loads((draft / "plan.json").read_text())
    bundle = build_bundle(Tables.of(spark, lower), lower, MODEL, "run")
    said = capsys.readouterr().out
    assert f"goes on with a build of version {plan['table_version']} of EMBEDDINGS" in said
    assert "shards/000002 is damaged: it is made again" in said
    made = bundle.manifest
    assert (made.table_version, made.n) == (plan["table_version"], N)
    assert made.costs["shards"].tasks == 2
    assert "seeds" not in made.costs
    assert not draft.exists()
    fresh = config.model_copy(update={"recall_target": 0.05, "work_dir": str(tmp_path / "fresh")})
    assert build(spark, fresh, as_rows(VECTORS)).manifest.files == made.files


def test_a_build_that_cannot_keep_its_promise_is_given_up_for_newer_photos(spark, tmp_path):
    """Its draft is at hand for the same version, and for another promise."""
    config = config_in(tmp_path, max_bad_share=0.1)
    with pytest.raises(InputError, match="10 of 30 embeddings cannot be indexed"):
        build(spark, config, as_rows([*VECTORS[:20], *[np.zeros(16)] * 10]))
    with pytest.raises(InputError, match="10 of 30 embeddings cannot be indexed"):
        build_bundle(Tables.of(spark, config), config, MODEL, "run")
    assert build(spark, config, as_rows(VECTORS[:30])).manifest.n == 30


@pytest.mark.usefixtures("bundle")
def test_a_version_that_is_not_there_yet_is_refused(spark, work):
    config = config_in(work, table_version=99)
    with pytest.raises(InputError, match=r"table_version is 99, but the newest .* is [0-9]+:"):
        build_bundle(Tables.of(spark, config), config, MODEL, "run")


def test_the_sample_is_as_large_as_asked_and_depends_on_ids_and_seed_alone(spark):
    rows = spark.createDataFrame(as_rows(VECTORS), EMBEDDINGS)
    plan = plan_in("nowhere", rows=N)

    def sample(count, rows=rows, plan=plan):
        return {row["photo_id"] for row in smallest_hashes(rows, plan, count).collect()}

    ten, hundred = sample(10), sample(100)
    assert 10 <= len(ten) < 100 <= len(hundred) < 300  # a few more, so as not to lack any
    assert ten < hundred
    assert sample(10, rows.repartition(7).withColumn("run_id", F.lit("other"))) == ten
    assert sample(10, plan=replace(plan, seed=1)) != ten
    assert sample(N) == set(IDS)


def test_many_lists_are_trained_alike_however_the_table_is_partitioned(spark, tmp_path):
    """From 4,096 lists on, tasks train parts of the space, whose points come in any order."""
    vectors = clustered(5_000, clusters=200)
    settings = {"index_key": "IVF4096,Flat", "points_per_list": 1, "recall_target": 0.1}
    made = [
        build(spark, config_in(tmp_path / str(count), **settings), as_rows(vectors), count)
        for count in (1, 5)
    ]
    assert made[0].manifest.costs["centroids"].tasks > 40
    assert made[0].manifest.files == made[1].manifest.files
