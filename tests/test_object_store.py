"""The flow with its dump, its photos and its work folder on an S3 server of this machine.

What does not train runs there from the dump to the report. The model and the tables that training
needs are those of the local run that other tests share, so that every vector can be compared to the
bit. `make soak` runs the whole flow there, from the sample on.
"""

import hashlib
import io
import json
import shutil
from pathlib import Path

import faiss
import numpy as np
import pytest
from deltalake import DeltaTable

from devise_lib.config.loader import load_settings
from devise_lib.index.bundle import read_current, verify
from devise_lib.run_record import fingerprint, read_inputs, read_record
from tests.conftest import CODE, LOCAL, ROOT, SMALL, run_program, set_options, spark_keys
from tests.s3_server import connected, deltalake_options, spark_on_s3

pytestmark = [pytest.mark.spark, pytest.mark.slow]

JOBS = (  # those that train neither words nor networks, and what the report wants
    *("parse_wikipedia", "prepare_corpus", "ingest_photos", "extract_features", "embed_photos"),
    *("export_projector", "build_index", "build_signatures", "find_neighbours"),
    *("find_duplicates", "export_signatures", "predict_labels", "evaluate", "report"),
)
TAKEN_OVER = ("word_vectors", "labels")  # tables of the local run that other jobs have made
RUN_JOBS = """
import sys
from devise_lib import pipeline
pipeline.choose_jobs = lambda *_: sys.argv[1].split(",")
pipeline.main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def on_s3(small_run, s3_settings, s3_jars, make_bucket, tmp_path_factory) -> str:
    """The URI of a work folder in which the flow has run."""
    bucket = make_bucket()
    work, local = f"s3a://{bucket}/lake/devise", tmp_path_factory.mktemp("local")
    with connected(s3_settings) as files:
        for name in ("sample", "checkpoints/train_backbone", *(f"tables/{t}" for t in TAKEN_OVER)):
            for path in (small_run / name).rglob("*"):
                if path.is_file():
                    files.upload(path, f"{work}/{path.relative_to(small_run)}")
    shutil.copy(small_run / "mlflow.db", local)
    settings = (
        f"work_dir={work}",
        f"tracking_uri=sqlite:///{local}/mlflow.db",
        *(each for each in SMALL if each.partition(".")[0] in JOBS),
        'export_signatures.kinds=["ivf"]',  # it runs only where a key of it is given
        *spark_keys(spark_on_s3(s3_jars, s3_settings)),
        *(*LOCAL, *CODE),
    )
    config = ("--config", "conf/s3.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(local))  # where logs lie until they are copied
        words = ("-c", RUN_JOBS, ",".join(JOBS), *config, *set_options(settings))
        done = run_program(*words, timeout_s=1_800)
    assert done.returncode == 0, done.stdout + done.stderr
    return work


@pytest.mark.parametrize(
    ("name", "key", "columns"),
    [
        ("articles", "page_id", ["title", "text", "redirect"]),
        ("sentences", "page_id", ["position", "tokens"]),
        ("photos", "photo_id", ["label", "sha256", "size_bytes", "split"]),
        ("embeddings", "photo_id", ["embedding", "model_id", "label"]),
        ("quarantine", "photo_id", ["stage", "reason"]),
        ("signatures", "photo_id", ["hash_id", "codes", "signature"]),
        ("neighbours", "photo_id", ["neighbour_id", "rank", "score"]),
        ("duplicate_groups", "photo_id", ["group_id", "is_representative", "score"]),
        ("predictions", "photo_id", ["rank", "label", "score"]),
    ],
)
def test_tables_have_the_rows_of_a_local_run(on_s3, small_run, s3_server, name, key, columns):
    """Read by a program that is not Spark, as analysts do."""

    def rows(table: DeltaTable) -> list[str]:
        have = [column for column in columns if column in table.schema().to_arrow().names]
        found = table.to_pyarrow_table(columns=[key, *have]).to_pylist()
        return sorted(json.dumps(row, default=str, sort_keys=True) for row in found)

    uri = f"{on_s3.replace('s3a:', 's3:')}/tables/{name}"
    found = rows(DeltaTable(uri, storage_options=deltalake_options(s3_server)))
    wanted = rows(DeltaTable(small_run / "tables" / name))
    assert len(found) == len(wanted) > 0
    assert found == wanted


def test_the_bundle_is_that_of_a_local_run(on_s3, small_run, s3_settings):
    with connected(s3_settings):
        found, wanted = read_current(on_s3), read_current(str(small_run))
        verify(found)  # of copies on this disk
        assert found.manifest.files == wanted.manifest.files
        # Which settings are on the curve depends on their speed; their recall does not.
        curves = [{p.settings: p.recall for p in b.manifest.curve} for b in (found, wanted)]
        shared = curves[0].keys() & curves[1].keys()
        assert shared
        assert [curves[0][each] for each in shared] == [curves[1][each] for each in shared]
        queries = np.eye(found.manifest.dimension, dtype=np.float32)[:5]
        places = [bundle.open().search(queries, 3).rows for bundle in (found, wanted)]
    assert (places[0] == places[1]).all()


def test_the_binary_index_finds_the_photos_of_a_local_run(on_s3, small_run, s3_settings):
    table = DeltaTable(small_run / "tables" / "signatures")
    rows = table.to_pyarrow_table(columns=["photo_id", "signature"]).to_pylist()
    root = f"{on_s3}/binary_index"
    with connected(s3_settings) as files:
        folder = f"{root}/{files.read(f'{root}/CURRENT').decode().strip()}"
        manifest = json.loads(files.read(f"{folder}/manifest.json"))
        content = {name: files.read(f"{folder}/{name}") for name in manifest["files"]}
    for name, about in manifest["files"].items():
        assert hashlib.sha256(content[name]).hexdigest() == about["sha256"]
    index = faiss.deserialize_index_binary(np.frombuffer(content["ivf.faiss"], np.uint8))
    index.nprobe = index.nlist
    ids = np.load(io.BytesIO(content["ids.npy"])).astype(str)
    queries = np.array([row["signature"] for row in rows]).view(np.uint8)
    differing, places = index.search(queries, 1)
    assert (differing == 0).all()
    by_id = {row["photo_id"]: row["signature"] for row in rows}
    found = [by_id[ids[place]] for place in places[:, 0]]
    assert found == [row["signature"] for row in rows]
    assert sorted(ids) == sorted(by_id)


def test_the_work_folder_has_all_that_a_local_one_has_and_nothing_is_left_over(
    on_s3, small_run, s3_settings
):
    with connected(s3_settings) as files:
        there = {status.path.removeprefix(f"{on_s3}/") for status in files.below(on_s3)}
        assert "report/index.html" in there
        assert all(read_record(on_s3, job) for job in JOBS)
        page = files.read(f"{on_s3}/report/index.html").decode()
    assert on_s3 in page
    assert page.count("<img") == (small_run / "report/index.html").read_text().count("<img")
    assert not [name for name in there if name.endswith(".beat")]
    assert not [name for name in there if "/scratch/" in name or ".draft" in name]
    assert any(name.startswith("logs/") and name.endswith("/spark.log") for name in there)
    exported = {name for name in there if "/projector/" in name}
    local = {str(p.relative_to(small_run)) for p in small_run.glob("export/*/projector/*")}
    assert exported == local


def test_a_resumed_run_finds_all_of_it_unchanged(on_s3, s3_settings, monkeypatch):
    """Its inputs are in a store, too: they count as unchanged by their etags."""
    monkeypatch.chdir(ROOT)
    settings = (f"work_dir={on_s3}", *(s for s in SMALL if s.partition(".")[0] in JOBS))
    loaded = load_settings(ROOT / "conf" / "s3.toml", list(settings), list(JOBS))
    with connected(s3_settings):
        for name in ("parse_wikipedia", "ingest_photos"):
            config = loaded.jobs[name]
            inputs = read_inputs(config, lambda _: None)
            assert sum(state.files for state in inputs) > 0
            assert read_record(on_s3, name).fingerprint == fingerprint(config, inputs)


@pytest.mark.soak
def test_the_whole_flow_runs_there_from_the_sample_on(
    s3_settings, s3_jars, make_bucket, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))  # MLflow's file lies below it
    work = f"s3a://{make_bucket()}/devise"
    settings = (
        f"work_dir={work}",
        *SMALL,
        *spark_keys(spark_on_s3(s3_jars, s3_settings)),
        *(*LOCAL, *CODE),
    )
    words = ("-m", "devise_lib.pipeline", "--config", "conf/s3.toml", *set_options(settings))
    done = run_program(*words, timeout_s=1_200)
    assert done.returncode == 0, done.stdout + done.stderr
    [state] = Path(tmp_path, ".devise").iterdir()
    assert f"MLflow sqlite:///{state}/mlflow.db" in done.stdout.splitlines()[0]
    with connected(s3_settings) as files:
        there = {status.path.removeprefix(f"{work}/") for status in files.below(work)}
    for part in ("mlartifacts/", "logs/tensorboard/train_devise/", "export/word_vectors.bin"):
        assert any(name.startswith(part) for name in there), part
    assert any(name.endswith("saved_model/1/saved_model.pb") for name in there)
    assert not [name for name in there if name.endswith(".npz") and "checkpoints" in name]
