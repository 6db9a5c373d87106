"""The pipeline and the jobs as programs: choices, messages and exit statuses."""

import shutil
import socket

import numpy as np
import pytest
from deltalake import DeltaTable

from devise_lib.errors import ConfigError
from devise_lib.pipeline import NAMES, choose_jobs, resume_command
from tests.conftest import SMALL, run_pipeline, run_program


def test_a_part_of_the_flow_is_chosen_by_its_ends_or_its_name():
    assert choose_jobs(None, None, None) == NAMES
    assert choose_jobs("evaluate", None, None) == ["evaluate", "report"]
    assert choose_jobs("embed_photos", "build_index", None) == ["embed_photos", "build_index"]
    assert choose_jobs(None, None, "report") == ["report"]
    with pytest.raises(ConfigError, match="stands alone"):
        choose_jobs("evaluate", None, "report")
    with pytest.raises(ConfigError, match="exchange them"):
        choose_jobs("report", "evaluate", None)


def test_the_resume_command_keeps_the_other_arguments():
    argv = ["--config", "c.toml", "--from", "make_sample", "--set", "a.b=x y", "--resume"]
    command = resume_command(argv, "evaluate")
    assert command.endswith(
        "-m devise_lib.pipeline --config c.toml --set 'a.b=x y' --resume --from evaluate"
    )
    assert resume_command(["--only", "report"], "report").endswith("--only report")


def complaint(done, status):
    """The one message of a run that failed for the user's own mistake."""
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said, said
    return said


def test_a_wrong_key_and_a_missing_path_end_before_spark_starts(tmp_path):
    wrong = (
        "train_devise.epoch=3",
        f"ingest_photos.source={tmp_path}/no",
        f"work_dir={tmp_path}/w",
    )
    said = complaint(run_pipeline(overrides=wrong), 2)
    assert "train_devise.epoch: unknown key, did you mean 'epochs'?" in said
    assert f"there is no '{tmp_path}/no'" in said
    assert not (tmp_path / "w").exists()


def test_a_configuration_without_the_job_is_told(tmp_path):
    config = tmp_path / "small.toml"
    config.write_text(f"work_dir = '{tmp_path}/w'\n")
    for program in (
        ["jobs/make_sample.py"],
        ["-m", "devise_lib.pipeline", "--only", "make_sample"],
    ):
        said = complaint(run_program(*program, "--config", str(config)), 2)
        assert "has no table [make_sample]: add it" in said


@pytest.mark.spark
@pytest.mark.slow
def test_too_little_memory_and_a_port_in_use_are_told(tmp_path):
    work = f"work_dir={tmp_path}/w"
    job = ("--only", "make_sample")
    said = complaint(run_pipeline(*job, overrides=(work, "spark.driver.memory=9000g")), 1)
    assert "too little memory" in said
    with socket.socket() as held:
        held.bind(("localhost", 0))
        held.listen()
        port = held.getsockname()[1]
        taken = (work, f"spark.driver.port={port}", "spark.port.maxRetries=0")
        said = complaint(run_pipeline(*job, overrides=(*taken, "spark.driver.memory=1g")), 1)
    assert "in use" in said
    assert str(port) in said


@pytest.mark.spark
@pytest.mark.slow
def test_a_failing_job_says_why_how_to_go_on_and_leaves_the_tables(small_run, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(small_run, work)
    empty = tmp_path / "photos"
    empty.mkdir()
    (empty / "notes.txt").write_text("no photo")
    overrides = (*SMALL, f"work_dir={work}", f"ingest_photos.source={empty}")
    said = complaint(run_pipeline("--only", "ingest_photos", overrides=overrides), 0)
    assert "1 quarantined" in said  # one bad file among many photos is a row, not a failure
    fresh = (*SMALL, f"work_dir={tmp_path}/new", f"ingest_photos.source={empty}")
    said = complaint(run_pipeline("--only", "ingest_photos", overrides=fresh), 1)
    assert "1 of 1 photos are refused" in said
    assert "--only ingest_photos" in said
    assert not (tmp_path / "new/tables/photos").exists()


@pytest.mark.spark
@pytest.mark.slow
def test_labels_without_any_vector_are_told_and_the_old_ones_stay(small_run, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(small_run, work)
    labels = tmp_path / "labels.tsv"
    labels.write_text("label\tterms\tsplit\taliases\nqq\tqqqq\tseen\t\n", encoding="utf-8")
    before = sorted(p.name for p in (work / "tables/labels/_delta_log").glob("*.json"))
    one = f'label_sets=[{{kind="table", name="mine", path="{labels}"}}]'
    overrides = (*SMALL, f"work_dir={work}", one)
    said = complaint(run_pipeline("--only", "embed_labels", overrides=overrides), 1)
    assert "100% of its labels have no word vector" in said
    assert sorted(p.name for p in (work / "tables/labels/_delta_log").glob("*.json")) == before


@pytest.mark.spark
@pytest.mark.slow
def test_resume_leaves_out_what_is_done(small_run):
    said = complaint(run_pipeline("--resume", overrides=(*SMALL, f"work_dir={small_run}")), 0)
    assert said.count("done before, unchanged") == len(NAMES)


@pytest.mark.spark
@pytest.mark.slow
def test_a_cluster_of_two_workers_embeds_the_same(small_run, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(small_run, work)
    rows = ["photo_id", "model_id", "embedding"]
    before = DeltaTable(work / "tables/embeddings").to_pandas(columns=rows)
    for left in ("tables/embeddings", "checkpoints/embed_photos"):
        shutil.rmtree(work / left)
    cluster = ("spark.master=local-cluster[2,1,2048]", "spark.driver.memory=1g")
    overrides = (*SMALL[:-2], f"work_dir={work}", *cluster)
    words = [word for override in overrides for word in ("--set", override)]
    done = run_program("jobs/embed_photos.py", "--config", "conf/local.toml", *words)
    assert f"{len(before)} embeddings" in complaint(done, 0)
    after = DeltaTable(work / "tables/embeddings").to_pandas(columns=rows)
    assert (after["model_id"] == before["model_id"][0]).all()
    order = [frame.sort_values("photo_id") for frame in (before, after)]
    assert list(order[0]["photo_id"]) == list(order[1]["photo_id"])
    matrices = [np.stack(frame["embedding"]) for frame in order]
    np.testing.assert_allclose(*matrices, atol=1e-5)
