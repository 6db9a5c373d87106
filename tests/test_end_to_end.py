"""What one run of the whole pipeline leaves behind: every job's result, every package's work."""

import base64
import json
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable

from devise_lib.config.registry import JOBS
from devise_lib.config.tree import read_toml
from devise_lib.report.generalized import CURVE_SEEN, CURVE_UNSEEN
from devise_lib.spark.tables.descriptions import DESCRIPTIONS
from devise_lib.spark.tables.schemas import SCHEMAS
from devise_lib.text.labels.label_files import read_label_table
from tests.conftest import ROOT
from tests.training.event_files import read_scalars

pytestmark = pytest.mark.slow

DEMO = read_toml(ROOT / "conf" / "local.toml")
# Jobs that run only where the file has their table have tests of their own.
RAN = tuple(job for job in JOBS if not job.opt_in or job.name in DEMO)
WRITTEN = {n for n, table in DESCRIPTIONS.items() if {j.name for j in RAN} & {*table.written_by}}


def table(work: Path, name: str, columns: list[str] | None = None) -> pd.DataFrame:
    return DeltaTable(work / "tables" / name).to_pandas(columns=columns)


def params(work: Path, job: str) -> dict[str, str]:
    query = """SELECT p.key, p.value FROM params p JOIN runs r USING (run_uuid)
               WHERE r.name = ? AND r.status = 'FINISHED'"""
    with sqlite3.connect(work / "mlflow.db") as store:
        return dict(store.execute(query, (job,)).fetchall())


def curve(work: Path, run: str, metric: str) -> list[tuple[int, float]]:
    """(epoch, value) in order."""
    query = """SELECT m.step, m.value FROM metrics m JOIN runs r USING (run_uuid)
               WHERE r.name = ? AND m.key = ? ORDER BY m.step"""
    with sqlite3.connect(work / "mlflow.db") as store:
        return store.execute(query, (run, metric)).fetchall()


def test_every_job_leaves_its_record_with_time_and_rows(small_run):
    for job in RAN:
        record = json.loads((small_run / "runs" / f"{job.name}.json").read_text())
        assert record["seconds"] > 0
        assert record["rows"]


def test_progress_is_a_line_a_job_and_nothing_else(small_run):
    lines = (small_run / "stdout.txt").read_text().splitlines()
    finished = [line for line in lines if line.startswith("[") and not line.endswith("...")]
    assert len(finished) == len(RAN)
    assert [next(j.name for j in RAN if j.name in line) for line in finished] == [
        j.name for j in RAN
    ]


@pytest.mark.parametrize("name", sorted(WRITTEN - {"ingested_archives"}))  # it has none
def test_every_table_is_delta_with_comments_and_says_what_made_it(small_run, name):
    delta = DeltaTable(small_run / "tables" / name)
    fields = {field.name: field.metadata.get("comment") for field in delta.schema().fields}
    assert fields == {field.name: field.metadata["comment"] for field in SCHEMAS[name]}
    writes = [
        c for c in delta.history() if c.get("operation") in ("WRITE", "CREATE TABLE AS SELECT")
    ]
    jobs = {json.loads(commit["userMetadata"])["job"] for commit in writes}
    assert jobs
    assert jobs <= set(DESCRIPTIONS[name].written_by)
    assert delta.metadata().partition_columns == list(DESCRIPTIONS[name].partitioned_by)


def test_pyspark_and_delta_account_for_every_photo_once(small_run):
    photos = table(small_run, "photos", ["photo_id"])["photo_id"]
    quarantine = table(small_run, "quarantine")
    embedded = table(small_run, "embeddings", ["photo_id", "model_id"])
    refused = quarantine[quarantine["stage"] == "embed_photos"]["photo_id"]
    assert embedded["model_id"].nunique() == 1
    done = sorted([*embedded["photo_id"], *refused])
    assert done == sorted(photos)
    assert len(set(done)) == len(done)


def test_broken_files_are_in_quarantine_with_their_reason(small_run):
    expected = pd.read_csv(small_run / "sample/broken.tsv", sep="\t", keep_default_na=False)
    quarantine = table(small_run, "quarantine")
    reason_of = {path.split("/sample/")[-1]: r for path, r in quarantine[["path", "reason"]].values}
    for path, reason in expected.itertuples(index=False):
        assert reason_of.get(path, "") == reason, path


def test_gensim_trained_the_vectors_that_it_can_load(small_run):
    from gensim.models import KeyedVectors

    path = str(small_run / "export/word_vectors.bin")
    vectors = KeyedVectors.load_word2vec_format(path, fvocab=f"{path}.vocab", binary=True)
    words = table(small_run, "word_vectors").set_index("word")
    assert set(vectors.index_to_key) == set(words.index)
    assert len(words) > 100
    for word, row in words.iterrows():
        np.testing.assert_allclose(vectors[word], row["vector"], rtol=1e-6)
        assert vectors.get_vecattr(word, "count") == row["count"]


def test_datasketch_found_the_articles_that_repeat_others(small_run):
    repeats = table(small_run, "near_duplicates")
    assert len(repeats) > 0
    assert (repeats["jaccard"] >= 0.8).all()
    kept = set(table(small_run, "sentences", ["page_id"])["page_id"])
    assert not kept & set(repeats["page_id"])


def test_horovod_trained_on_two_ranks_fed_by_petastorm(small_run):
    for job in ("train_backbone", "train_devise"):
        assert params(small_run, job)["horovod_size"] == "2", job
    losses = curve(small_run, "train_backbone", "loss")
    assert len(losses) == int(params(small_run, "train_backbone")["epochs"])
    assert all(np.isfinite(loss) and loss > 0 for _, loss in losses)
    features = DeltaTable(small_run / "tables" / "features")
    assert int(params(small_run, "train_devise")["features_version"]) <= features.version()


def test_every_setting_was_tried_on_labels_held_out_and_one_of_the_best_trained(small_run):
    chosen = params(small_run, "train_devise")
    trials, name = {}, "trial 0"
    while scores := curve(small_run, name, "validation_unseen_accuracy"):
        values = [value for _, value in scores]
        assert [step for step, _ in scores] == list(range(len(scores))), "the start is epoch 0"
        assert 1 < len(scores) <= 1 + int(chosen["epochs"])
        assert int(params(small_run, name)["epochs"]) == 1 + int(np.argmax(values[1:]))
        trials[name] = max(values[1:])
        name = f"trial {len(trials)}"
    assert len(trials) == 2 * 2  # starts and margins
    settings = [params(small_run, name) for name in trials]
    taken = {key: chosen[f"chosen_{key}"] for key in settings[0]}
    assert taken in settings
    behind = max(trials.values()) - trials[f"trial {settings.index(taken)}"]
    assert behind <= 0.1, "as good as the best, but for one standard error of two folds"
    for method in ("devise", "random_embeddings"):
        assert len(curve(small_run, f"{method}-0", "loss")) == int(taken["epochs"])


def test_tensorflow_model_in_the_registry_gives_the_embeddings_of_the_table(small_run):
    import mlflow

    from devise_lib.vision.images.decode import decode

    mlflow.set_tracking_uri(f"sqlite:///{small_run / 'mlflow.db'}")
    model = mlflow.tensorflow.load_model("models:/devise@champion")
    photos = table(small_run, "photos", ["photo_id", "content"]).head(8)
    kept = table(small_run, "embeddings", ["photo_id", "embedding"]).set_index("photo_id")
    chosen = photos[photos["photo_id"].isin(kept.index)]
    pixels = np.stack([decode(content, 64) for content in chosen["content"]]).astype(np.float32)
    embeddings = np.asarray(model(pixels))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    wanted = np.stack(kept.loc[chosen["photo_id"], "embedding"])
    np.testing.assert_allclose(embeddings, wanted, atol=1e-4)


def test_faiss_opens_the_published_index_and_finds_each_photo_by_its_own_vector(small_run):
    import faiss

    bundle = small_run / "index" / (small_run / "index/CURRENT").read_text().strip()
    manifest = json.loads((bundle / "manifest.json").read_text())
    index = faiss.read_index(str(bundle / "base" / "index.faiss"))
    embedded = table(small_run, "embeddings", ["photo_id", "embedding", "model_id"])
    assert index.ntotal == manifest["n"] == len(embedded)
    assert index.nlist == manifest["nlist"] > 1
    assert manifest["model_id"] == embedded["model_id"][0]
    ids = np.load(bundle / "base" / "ids.npy").astype(str)
    index.nprobe = index.nlist
    vectors = np.stack(embedded["embedding"])
    scores, rows = index.search(vectors, 1)
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-5)
    found = np.stack(embedded.set_index("photo_id").loc[ids[rows[:, 0]], "embedding"])
    np.testing.assert_allclose(found, vectors, atol=1e-3)  # itself, or its like to a hair


def test_mlflow_has_a_run_a_job_inside_the_pipelines_and_the_metrics(small_run):
    with sqlite3.connect(small_run / "mlflow.db") as store:
        runs = dict(store.execute("SELECT name, run_uuid FROM runs WHERE status = 'FINISHED'"))
        flows = {run for (run,) in store.execute("SELECT run_uuid FROM runs WHERE name='pipeline'")}
        parents = dict(
            store.execute("SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'")
        )
        aliases = store.execute("SELECT name, alias FROM registered_model_aliases").fetchall()
        keys = {key for (key,) in store.execute("SELECT DISTINCT key FROM latest_metrics")}
    assert {job.name for job in RAN} <= set(runs)
    [parent] = {parents[runs[job.name]] for job in RAN}
    assert parent in flows
    assert aliases == [("devise", "champion")]
    assert "hit_at_1/devise/sample_unseen/unseen_only/seed_0" in keys


def test_zero_shot_figures_stand_beside_their_controls(small_run):
    metrics = table(small_run, "metrics")
    hits = metrics[(metrics["metric"] == "hit") & (metrics["photo_set"] == "sample unseen")]
    by_method = hits[hits["candidate_set"] == "unseen_only"].groupby("method")["k"].agg(set)
    closed = ("ridge", "ridge_reversed", "eszsl", "sae", "sae_reversed", "classifier_ridge")
    methods = {"devise", "random_embeddings", "conse", *closed}
    variants = {f"{method}+csls" for method in methods}
    assert set(by_method.index) == methods | variants | {"softmax", "chance"}
    assert all(ks == {1, 2, 5, 10, 20} for ks in by_method)
    both = hits[hits["candidate_set"] == "unseen_and_seen"]["method"]
    calibrated = {f"{method}+calibrated" for method in methods | variants}
    assert set(both) == methods | variants | calibrated | {"softmax", "chance"}
    unseen = [x for x in read_label_table(str(small_run / "sample/labels.tsv"), "s") if not x.seen]
    chance = hits[(hits["method"] == "chance") & (hits["k"] == 1)]
    of_unseen = chance[chance["candidate_set"] == "unseen_only"]["value"]
    assert of_unseen.tolist() == [pytest.approx(1 / len(unseen))]


def test_every_kind_of_figure_is_in_metrics(small_run):
    metrics = table(small_run, "metrics")
    kinds = set(zip(metrics["method"], metrics["metric"], strict=True))
    assert {("labels", "coverage"), ("word2vec", "spearman"), ("ivf", "recall")} <= kinds
    zero_shot = {"hit", "hierarchical_precision", "per_class_top1", "harmonic_mean", "ausuc"}
    hubs = {"hubness_skewness", "antihub_share", "hub_occurrence", "robin_hood"}
    curve = {CURVE_SEEN, CURVE_UNSEEN}
    lists = {"precision", "recall", "average_precision", "ndcg", "reciprocal_rank"}  # of searches
    of_tags = {"graded_ndcg", "photos", "words"}  # of texts by the hierarchy, of tags by all words
    of_model = {metric for method, metric in kinds if method == "devise"}
    assert of_model == zero_shot | hubs | curve | lists | of_tags
    assert ("chance", "correct_set_size") in kinds
    searches = set(metrics[metrics["metric"] == "average_precision"]["candidate_set"])
    assert {"text_to_image_seen", "text_to_image_unseen", "similar_photos"} <= searches
    named = [*zero_shot, *curve, *lists, "coverage", "area_under_curve", "first"]
    shares = metrics[metrics["metric"].isin(named)]["value"]
    assert shares.between(0, 1).all()
    coverage = metrics[metrics["metric"] == "coverage"]["value"]
    assert coverage.sum() == pytest.approx(1)


def test_no_photo_of_an_unseen_label_was_trained_on(spark, small_run):
    features = spark.read.format("delta").load(str(small_run / "tables/features"))
    assert features.where("NOT seen AND split = 'train'").count() == 0
    assert features.where("NOT seen").count() > 0
    assert features.where("split = 'train'").count() > 0


def test_the_report_is_there(small_run):
    assert (small_run / "report/index.html").stat().st_size > 100_000


def test_tensorboard_has_the_curves_that_mlflow_has(small_run):
    root = small_run / "logs" / "tensorboard"
    runs = sorted(path.name for path in (root / "train_devise").iterdir())
    assert runs == ["devise-0", "random_embeddings-0", *(f"trial {i}" for i in range(4))]
    for run in runs:
        scalars = read_scalars(root / "train_devise" / run)
        for name in scalars.keys() & {"loss", "validation_unseen_accuracy"}:
            kept = [(step, pytest.approx(value)) for step, value in curve(small_run, run, name)]
            assert scalars[name][: len(kept)] == kept, "a trial's last epochs may have been worse"
        assert run.startswith("trial") == ("validation_unseen_accuracy" in scalars)
    losses = read_scalars(root / "train_backbone" / "softmax")["loss"]
    assert [step for step, _ in losses] == [1, 2]


def test_training_and_evaluation_keep_their_plots_and_the_report_shows_them(small_run):
    found = small_run.glob("mlartifacts/*/artifacts/plots/*")
    plots = {path.name: path.read_bytes() for path in found}
    assert set(plots) == {"losses.svg", "scores.svg", "snapshots.svg", "hits.svg", "stacking.svg"}
    page = (small_run / "report/index.html").read_text(encoding="utf-8")
    for svg in plots.values():
        assert base64.b64encode(svg).decode() in page


def test_the_projector_has_a_thumbnail_and_a_vector_for_each_of_its_photos(small_run):
    [folder] = small_run.glob("export/*/projector")
    kept = table(small_run, "embeddings", ["photo_id", "embedding"]).set_index("photo_id")
    rows = pd.read_csv(folder / "photos_metadata.tsv", sep="\t", keep_default_na=False)
    vectors = np.loadtxt(folder / "photos.tsv", delimiter="\t", dtype=np.float32)
    assert len(rows) == len(vectors) == min(300, len(kept))
    np.testing.assert_array_equal(vectors, np.stack(kept.loc[rows["photo_id"], "embedding"]))
    assert set(rows["seen"]) <= {"seen", "unseen", ""}
    assert {path.name for path in folder.parent.iterdir()} >= {"model.keras", "projector"}
