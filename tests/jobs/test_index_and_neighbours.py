"""The jobs of search but for tags, run as the pipeline runs them."""

import json
import shutil
from collections import Counter
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from devise_lib import model_store, tracking
from devise_lib.config.search import (
    BuildIndex,
    BuildSignatures,
    ExportSignatures,
    FindDuplicates,
    FindNeighbours,
)
from devise_lib.config.suggestions import CompleteGalleries, RankPhotographers
from devise_lib.errors import InputError
from devise_lib.index.bundle import read_current, verify
from devise_lib.spark.job.entry import execute
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS, PHOTOS
from jobs import (
    build_index,
    build_signatures,
    complete_galleries,
    export_signatures,
    find_duplicates,
    find_neighbours,
    rank_photographers,
)
from tests.embedded import (
    MODEL,
    as_rows,
    clustered,
    found_share,
    names,
    nearest_by_force,
    registry_entry,
    write_embeddings,
)
from tests.rows import read_rows, row_of, write_rows

pytestmark = pytest.mark.spark

N = 300
VECTORS = clustered(N)
OTHER = clustered(40, d=8, seed=5)
EXACT = nearest_by_force(names(N), VECTORS, 10)


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"  # seconds to make


class Workplace:
    """Makes configurations of one work folder; `use` sets the model that the registry names."""

    def __init__(self, folder, tracking_uri, patch):
        self.folder, self._tracking_uri, self._patch = folder, tracking_uri, patch
        self.use(MODEL)

    def use(self, model_id):
        found = registry_entry(model_id)
        self._patch.setattr(tracking, "find_registered", lambda *_: found)
        self._patch.setattr(
            model_store, "fetch_network", lambda _: b"network of " + model_id.encode()
        )

    def configure(self, config_type, **values):
        config = config_type(work_dir=str(self.folder), tracking_uri=self._tracking_uri, **values)
        tracking.connect(config)
        return config

    def take(self, folder):
        """Take over what lies in another work folder."""
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)


@pytest.fixture
def workplace(tmp_path, tracking_uri, monkeypatch):
    return Workplace(tmp_path, tracking_uri, monkeypatch)


@pytest.fixture(scope="module")
def embeddings(spark, tracking_uri, tmp_path_factory):
    """A work folder with embeddings of two models."""
    folder = tmp_path_factory.mktemp("embeddings")
    config = BuildIndex(work_dir=str(folder), tracking_uri=tracking_uri)
    write_embeddings(spark, config, as_rows(VECTORS) + as_rows(OTHER, "devise-v2"))
    return folder


@pytest.fixture
def embedded(embeddings, workplace):
    workplace.take(embeddings)
    return workplace


@pytest.fixture(scope="module")
def indexed(spark, embeddings, tracking_uri, tmp_path_factory):
    """A work folder with an index as well, and the record of the job that built it."""
    folder = shutil.copytree(embeddings, tmp_path_factory.mktemp("indexed") / "work")
    with pytest.MonkeyPatch.context() as patch:
        config = Workplace(folder, tracking_uri, patch).configure(BuildIndex, k=7)
        return folder, execute(spark, build_index.run, config)


@pytest.fixture(scope="module")
def signed(spark, embeddings, tracking_uri, tmp_path_factory):
    """A work folder with signatures and neighbours by them, and the record of the signing."""
    folder = shutil.copytree(embeddings, tmp_path_factory.mktemp("signed") / "work")
    with pytest.MonkeyPatch.context() as patch:
        place = Workplace(folder, tracking_uri, patch)
        config = place.configure(BuildSignatures, tables=6)
        record = execute(spark, build_signatures.run, config)
        find = place.configure(FindNeighbours, via="signatures", max_bucket=60)
        return folder, record, execute(spark, find_neighbours.run, find)


def test_neighbours_by_the_index_reach_its_recall(spark, embedded):
    """One embedding cannot be indexed, and its photo has no neighbours."""
    config = embedded.configure(BuildIndex, recall_target=0.9)
    broken = as_rows([np.zeros(16)], photo_ids=["broken"])
    Tables.of(spark, config).append("embeddings", spark.createDataFrame(broken, EMBEDDINGS))
    built = execute(spark, build_index.run, config)
    assert (built.rows["vectors"], built.rows["embeddings rejected"]) == (N, 1)
    metrics = mlflow.get_run(built.run_id).data.metrics
    assert metrics["rows_embeddings_rejected"] == 1
    assert (metrics["rebuild_due"], metrics["compact_due"]) == (0, 0)
    bundle = read_current(config.work_dir)
    verify(bundle)
    assert Path(bundle.folder, "model.pb").read_bytes() == b"network of " + MODEL.encode()
    assert bundle.manifest.table_version == Tables.of(spark, config).version("embeddings")

    config = embedded.configure(FindNeighbours)
    found = execute(spark, find_neighbours.run, config)
    without = {"photos without a neighbour": 1}
    assert found.rows == {"neighbours": 10 * N, "photos": N, **without}
    rows = read_rows(config.work_dir, "neighbours")
    assert found_share(rows, EXACT) >= 0.85
    assert {row["source"] for row in rows} == {bundle.name}


def test_recall_goes_to_metrics_and_to_the_run(indexed, workplace):
    folder, record = indexed
    bundle = read_current(str(folder))
    made = bundle.manifest
    [row] = read_rows(folder, "metrics")
    assert (row["run_id"], row["value"]) == (record.run_id, made.point.recall)
    workplace.configure(BuildIndex)  # connects to the store
    run = mlflow.get_run(record.run_id)
    assert run.data.metrics["recall_at_7"] == made.point.recall
    assert run.data.metrics["nprobe"] == made.settings.nprobe
    assert run.data.metrics["shards_peak_mib"] > 50
    assert run.data.params["built_index_key"] == made.index_key
    assert made.run_id == record.run_id
    kept = MlflowClient().list_artifacts(record.run_id, "index")
    assert sorted(Path(each.path).name for each in kept) == ["curve.svg", "manifest.json"]
    manifest = mlflow.artifacts.load_text(f"runs:/{record.run_id}/index/manifest.json")
    assert manifest == Path(bundle.folder, "manifest.json").read_text()


def test_neighbours_by_signatures_are_the_near_ones(signed, workplace):
    folder, signing, finding = signed
    assert signing.rows == {"signatures": N, "signed": N, "dropped": 0, "tables": 6}
    rows = read_rows(folder, "neighbours")
    assert found_share(rows, EXACT) >= 0.85
    [made] = read_rows(folder, "hashes")
    assert {row["source"] for row in rows} == {made["hash_id"]}
    assert finding.rows["neighbours"] == 10 * N
    assert finding.rows["photos"] == N
    assert N * 6 * 11 < finding.rows["candidates scored"] <= N * 6 * (60 + 2 * 11)
    workplace.configure(FindNeighbours)  # connects to the store
    recall = mlflow.get_run(finding.run_id).data.metrics["recall_at_10"]
    assert recall == pytest.approx(found_share(rows, EXACT), abs=0.05)  # of 200 photos
    signed_run = mlflow.get_run(signing.run_id).data
    assert signed_run.metrics["meet_probability"] == made["meet_probability"]
    assert signed_run.metrics["entropy"] > 1
    tables = {row["table"] for row in read_rows(folder, "bucket_statistics")}
    assert tables == set(range(6))


def test_signatures_are_exported_and_the_run_has_their_recall(spark, signed, workplace):
    workplace.take(signed[0])
    config = workplace.configure(ExportSignatures, kinds=("ivf", "hash"))
    record = execute(spark, export_signatures.run, config)
    assert record.rows == {"signatures": N, "indexes": 2}
    root = Path(config.work_dir) / "binary_index"
    bundle = root / (root / "CURRENT").read_text(encoding="utf-8").strip()
    told = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    run = MlflowClient().get_run(told["run_id"]).data
    assert run.params["folder"] == str(bundle)
    for kind, about in told["indexes"].items():
        assert run.metrics[f"{kind}_recall_at_10"] == about["recall"]


def test_each_model_has_rows_of_its_own_and_a_second_run_replaces_them(spark, signed, workplace):
    workplace.take(signed[0])  # of MODEL
    sign = workplace.configure(BuildSignatures, bits=8, tables=2)
    find = workplace.configure(FindNeighbours, via="signatures", k=3)
    same = workplace.configure(FindDuplicates, min_cosine=0.9)
    for model in ("devise-v2", MODEL):
        workplace.use(model)
        execute(spark, build_signatures.run, sign)
        execute(spark, find_neighbours.run, find)
        execute(spark, find_duplicates.run, same)
    wanted = {"signatures": (N, 40), "hashes": (1, 1), "neighbours": (3 * N, 120)}
    wanted |= {"bucket_statistics": (2, 2)}
    before: dict = {}
    for row in sorted(read_rows(find.work_dir, "neighbours"), key=lambda row: row["rank"]):
        if row["model_id"] == MODEL:
            before.setdefault(row["photo_id"], []).append(row["score"])
    again = {"via": "signatures", "k": 3, "keep_found": True, "seed": 7}
    execute(spark, build_signatures.run, workplace.configure(BuildSignatures, tables=1, seed=7))
    execute(spark, find_neighbours.run, workplace.configure(FindNeighbours, **again))
    for row in read_rows(find.work_dir, "neighbours"):
        if row["model_id"] == MODEL:  # No photo has a worse neighbour than before.
            assert row["score"] >= before[row["photo_id"]][row["rank"] - 1] - 1e-6
    execute(spark, build_signatures.run, sign)
    for name, rows in wanted.items():
        counts = Counter(row["model_id"] for row in read_rows(find.work_dir, name))
        assert counts == dict(zip((MODEL, "devise-v2"), rows, strict=True))
    groups = read_rows(find.work_dir, "duplicate_groups")
    assert {row["model_id"] for row in groups} == {MODEL, "devise-v2"}


def test_a_table_of_queries_and_a_condition_by_signatures(spark, signed, workplace, tmp_path):
    workplace.take(signed[0])
    asked = tmp_path / "asked.parquet"
    queries = [(f"q{i}", v.tolist()) for i, v in enumerate(VECTORS[:20])]
    schema = "query_id string, embedding array<float>"
    spark.createDataFrame(queries, schema).coalesce(1).write.parquet(str(asked))
    photos = [
        row_of(PHOTOS, photo_id=n, owner=f"o{i % 2}", revision=1) for i, n in enumerate(names(N))
    ]
    find = workplace.configure(
        FindNeighbours, via="signatures", k=4, queries=str(asked), among="owner = 'o1'", probes=3
    )
    Tables.of(spark, find).overwrite("photos", spark.createDataFrame(photos, PHOTOS))
    found = execute(spark, find_neighbours.run, find)
    assert found.rows.items() >= {"neighbours": 80, "queries": 20}.items()
    rows = [row for row in read_rows(find.work_dir, "neighbours") if row["query_set"]]
    assert {row["neighbour_id"] for row in rows} <= set(names(N)[1::2])
    cosines = VECTORS[:20].astype(float) @ VECTORS[1::2].astype(float).T
    best = {f"q{i}": names(N)[1::2][place] for i, place in enumerate(cosines.argmax(axis=1))}
    firsts = {row["photo_id"]: row["neighbour_id"] for row in rows if row["rank"] == 1}
    assert sum(firsts[name] == other for name, other in best.items()) >= 19
    none = workplace.configure(FindNeighbours, via="signatures", among="owner = 'nobody'")
    rows = execute(spark, find_neighbours.run, none).rows
    assert (rows["neighbours"], rows["photos without a neighbour"]) == (0, N)
    wrong = workplace.configure(FindNeighbours, via="signatures", among="cast(owner AS int) = 1")
    with pytest.raises(InputError, match=r"cannot be computed .*CAST_INVALID_INPUT"):
        execute(spark, find_neighbours.run, wrong)
    wrong = workplace.configure(FindNeighbours, via="signatures", among="colour = 1")
    with pytest.raises(InputError, match="which is no condition on columns of PHOTOS"):
        execute(spark, find_neighbours.run, wrong)
    short = tmp_path / "short.parquet"
    spark.createDataFrame([("q", [1.0])], schema).write.parquet(str(short))
    wrong = workplace.configure(FindNeighbours, via="signatures", queries=str(short))
    with pytest.raises(
        InputError, match=r"16 numbers of the hash devise-v1-.*the first is 1 numbers"
    ):
        execute(spark, find_neighbours.run, wrong)
    text = tmp_path / "text.parquet"
    spark.createDataFrame([("q", "1.0")], "query_id string, embedding string").write.parquet(
        str(text)
    )
    wrong = workplace.configure(FindNeighbours, via="signatures", queries=str(text))
    with pytest.raises(InputError, match="is string, want an array of numbers"):
        execute(spark, find_neighbours.run, wrong)


def test_galleries_are_completed_and_photographers_ranked(spark, indexed, workplace, tmp_path):
    workplace.take(indexed[0])
    rows = [{"photo_id": n, "owner": f"o{i % 7}", "revision": 1} for i, n in enumerate(names(N))]
    write_rows(workplace.folder, "photos", rows, mode="overwrite")
    listed = tmp_path / "listed.csv"
    listed.write_text(f"gallery_id,assignment_id,photo_id\na,b,{names(N)[0]}\na,b,unknown\n")
    complete = workplace.configure(CompleteGalleries, galleries=str(listed), k=3)
    record = execute(spark, complete_galleries.run, complete)
    assert record.rows == {"suggestions": 3, "galleries": 1, "unknown photos": 1}
    best = {row["photo_id"] for row in read_rows(workplace.folder, "gallery_suggestions")}
    assert best == set(EXACT[names(N)[0]][:3])
    rank = workplace.configure(RankPhotographers, assignments=str(listed), k=2)
    record = execute(spark, rank_photographers.run, rank)
    assert record.rows == {"rows": 2, "assignments": 1, "owners": 7, "unknown photos": 1}
    metrics = mlflow.get_run(record.run_id).data.metrics
    assert metrics["exposure_share_of_the_top_1_percent"] == 0.5
    written = read_rows(workplace.folder, "photographer_ranking")
    assert {row["run_id"] for row in written} == {record.run_id}


def test_the_index_of_another_model_is_not_used(spark, indexed, workplace):
    workplace.take(indexed[0])
    workplace.use("devise-v2")
    with pytest.raises(InputError, match="is of model devise-v1, and devise-v2 was asked for"):
        execute(spark, find_neighbours.run, workplace.configure(FindNeighbours))


@pytest.mark.parametrize("job", [build_index, build_signatures, find_neighbours, find_duplicates])
def test_a_model_without_embeddings_is_refused(spark, embedded, job):
    config_type = {
        build_index: BuildIndex,
        build_signatures: BuildSignatures,
        find_neighbours: FindNeighbours,
        find_duplicates: FindDuplicates,
    }[job]
    embedded.use("devise-v9")
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of model devise-v9: run embed"):
        execute(spark, job.run, embedded.configure(config_type))


def test_without_a_table_or_an_index_the_job_to_run_is_named(spark, embeddings, workplace):
    with pytest.raises(InputError, match="no table embeddings"):
        execute(spark, build_index.run, workplace.configure(BuildIndex))
    workplace.take(embeddings)
    config = workplace.configure(FindNeighbours)
    with pytest.raises(InputError, match="run build_index first"):
        execute(spark, find_neighbours.run, config)
    with pytest.raises(
        InputError, match="HASHES has no hash of model devise-v1: run build_signatures"
    ):
        execute(spark, find_neighbours.run, workplace.configure(FindNeighbours, via="signatures"))


def test_photos_without_a_neighbour_or_outside_of_the_index_are_counted(spark, workplace):
    """The last line of a job says what is missing, and counts no photo that got nothing."""
    write_embeddings(spark, workplace.configure(BuildIndex), as_rows(VECTORS[:1]))
    built = execute(spark, build_index.run, workplace.configure(BuildIndex))
    assert built.rows == {"vectors": 1, "lists": 1, "lists probed": 1}
    find = workplace.configure(FindNeighbours)
    manifest = Path(read_current(find.work_dir).folder, "manifest.json")
    assert json.loads(manifest.read_text())["n"] == 1

    v = VECTORS[0]
    write_embeddings(spark, find, as_rows([v, v, v, np.zeros(16)]))
    execute(spark, build_signatures.run, workplace.configure(BuildSignatures))
    by_hash = workplace.configure(FindNeighbours, via="signatures", recall_queries=0)
    found = execute(spark, find_neighbours.run, by_hash).rows
    assert (found["neighbours"], found["photos"]) == (6, 3)
    assert found["photos without a neighbour"] == 1  # It has no direction.
    assert execute(spark, find_neighbours.run, find).rows == {
        "neighbours": 2,
        "photos": 2,
        "photos without a neighbour": 2,
        "photos not in the index": 3,
    }
