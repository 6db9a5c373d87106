from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from devise_lib.command_line import find_input_error
from devise_lib.config.search import BuildIndex
from devise_lib.errors import InputError
from devise_lib.index.bundle import index_root, read_current, verify
from devise_lib.spark.search.build_index import build_bundle, measure, sample_photos, write_recall
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.embedded import MODEL, as_rows, clustered, names
from tests.rows import read_rows

pytestmark = pytest.mark.spark

N = 300
VECTORS = clustered(N)


@pytest.fixture(scope="module")
def embeddings(spark):
    return spark.createDataFrame(as_rows(VECTORS), EMBEDDINGS).repartition(3).cache()


def config_in(folder, **changes):
    return BuildIndex(work_dir=str(folder), **{"k": 5, "queries": 20, "shard_rows": 90, **changes})


def build(embeddings, config):
    return build_bundle(embeddings, config, MODEL, 7, "run")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def bundle(embeddings, work):
    """Of all photos, in a work folder that has nothing else."""
    return build(embeddings, config_in(work, recall_target=0.8))


def test_the_bundle_holds_every_photo_in_the_order_of_its_id(bundle):
    verify(bundle)
    ids = pq.read_table(Path(bundle.folder) / "ids.parquet").to_pydict()
    assert ids == {"row": list(range(N)), "photo_id": sorted(names(N))}
    vector_of = dict(zip(names(N), VECTORS, strict=True))
    in_order = np.stack([vector_of[name] for name in sorted(names(N))])
    rows, scores = bundle.open_index().search(in_order, 1, bundle.manifest.nlist)
    assert rows[:, 0].tolist() == list(range(N))
    np.testing.assert_allclose(scores, 1, atol=1e-5)


def test_the_manifest_says_what_was_built(bundle):
    made = bundle.manifest
    assert (made.model_id, made.table, made.table_version, made.run_id) == (
        (MODEL, "embeddings", 7, "run")
    )
    assert (made.n, made.dimension, made.k, made.queries) == (N, 16, 5, 20)
    assert made.nlist == (N - 20) // 39
    assert made.recall >= made.recall_target == 0.8
    assert made.recall in [point.recall for point in made.curve if point.nprobe == made.nprobe]


def test_partitions_and_shards_do_not_change_the_bundle(embeddings, bundle, tmp_path):
    config = config_in(tmp_path, recall_target=0.8, shard_rows=1000)
    one = build(embeddings.coalesce(1), config)
    assert one.manifest == bundle.manifest
    assert one.name == bundle.name


def test_nothing_but_the_bundle_and_current_is_left(bundle, work):
    root = Path(index_root(str(work)))
    assert sorted(path.name for path in root.iterdir()) == sorted(["CURRENT", bundle.name])


def test_a_build_that_fails_leaves_the_bundle_that_was_there(embeddings, bundle, work):
    with pytest.raises(Exception, match="nlist is 281") as failure:
        build(embeddings, config_in(work, nlist=281))
    message = str(find_input_error(failure.value))
    assert message.startswith("nlist is 281, but there are only 280 vectors to train")
    assert read_current(str(work)) == bundle
    root = Path(index_root(str(work)))
    assert sorted(path.name for path in root.iterdir()) == sorted(["CURRENT", bundle.name])


def test_what_a_killed_build_left_does_not_get_into_the_next(embeddings, tmp_path):
    root = Path(index_root(str(tmp_path)))
    shards = root / f".{MODEL}-v7.draft" / "shards"
    shards.mkdir(parents=True)
    (shards / "000009.faiss").write_text("half of a shard")
    verify(build(embeddings, config_in(tmp_path)))


@pytest.mark.parametrize("n", [1, 12])
def test_few_photos_make_an_index_too(spark, tmp_path, n):
    few = spark.createDataFrame(as_rows(VECTORS[:n]), EMBEDDINGS)
    bundle = build(few, config_in(tmp_path))
    verify(bundle)
    assert (bundle.manifest.n, bundle.manifest.nlist, bundle.manifest.recall) == (n, 1, 1.0)


def test_no_photo_is_refused_with_the_job_to_run(embeddings, tmp_path):
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of model devise-v1: run embed"):
        build(embeddings.where("false"), config_in(tmp_path))
    assert not Path(index_root(str(tmp_path))).exists()


@pytest.mark.parametrize("wrong", [np.ones(15), None])
def test_embeddings_that_differ_in_length_are_refused(spark, wrong):
    rows = as_rows([VECTORS[0], wrong, VECTORS[2]])
    with pytest.raises(InputError, match="want one length"):
        measure(spark.createDataFrame(rows, EMBEDDINGS), MODEL)


def test_the_sample_is_as_large_as_asked_and_keeps_queries_apart(embeddings):
    rows = sample_photos(embeddings, N, queries=20, train_size=100, seed=0).collect()
    assert len(rows) == len({row["photo_id"] for row in rows}) == 120
    assert sum(row["is_query"] for row in rows) == 20


def test_the_sample_depends_on_ids_and_seed_alone(embeddings):
    def chosen(df, seed):
        rows = sample_photos(df, N, queries=20, train_size=100, seed=seed).collect()
        return {(row["photo_id"], row["is_query"]) for row in rows}

    assert chosen(embeddings, 1) == chosen(embeddings.repartition(7), 1)
    assert chosen(embeddings, 1) != chosen(embeddings, 2)


def test_at_most_a_tenth_are_queries(embeddings):
    rows = sample_photos(embeddings, N, queries=500, train_size=1000, seed=0).collect()
    assert len(rows) == N
    assert sum(row["is_query"] for row in rows) == N // 10


def test_recall_replaces_what_the_model_had_in_metrics(spark, bundle, tmp_path):
    tables = Tables.of(spark, config_in(tmp_path))
    write_recall(tables, bundle)
    kept = tables.read("metrics").first().asDict() | {"method": "devise", "value": 0.1}
    tables.append("metrics", spark.createDataFrame([kept], tables.read("metrics").schema))
    write_recall(tables, bundle)
    found = read_rows(tmp_path, "metrics")
    rows = {row["method"]: row for row in found}
    assert len(found) == 2
    assert rows["devise"]["value"] == 0.1
    ivf = rows["ivf"]
    assert (ivf["metric"], ivf["k"], ivf["candidate_set"]) == ("recall", 5, "exact_search")
    assert (ivf["value"], ivf["model_id"]) == (bundle.manifest.recall, MODEL)
