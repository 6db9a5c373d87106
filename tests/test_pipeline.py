"""The pipeline and the jobs as programs: choices, messages and exit statuses."""

import re
import shlex
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from deltalake import DeltaTable

from devise_lib import pipeline
from devise_lib.errors import ConfigError, InputError
from devise_lib.pipeline import NAMES, choose_jobs, resume_command
from tests.conftest import CLUSTER, SMALL, run_pipeline, run_program, set_options, spark_keys
from tests.in_session import run_in_session, settings_of


def test_a_part_of_the_flow_is_chosen_by_its_ends_or_its_name():
    assert choose_jobs(None, None, None) == NAMES
    assert choose_jobs("evaluate", None, None) == ["evaluate", "report"]
    part = ["embed_photos", "export_projector", "build_index"]
    assert choose_jobs("embed_photos", "build_index", None) == part
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


DEMO = ("--config", "conf/local.toml")
PART = ["build_index", "build_signatures", "find_neighbours", "find_duplicates", "predict_labels"]


class Flow:
    """The pipeline with jobs of the test's own, in this process and on the running session."""

    def __init__(self, folder, store):
        self.config = folder / "c.toml"
        self.config.write_text(f"work_dir = '{folder}/w'\ntracking_uri = '{store}'\n")
        self.ran: list[str] = []
        self.errors: dict[str, BaseException] = {}

    def load_job(self, _, name):
        def run(session, config):
            assert session.range(2).count() == 2
            assert config.name == name
            self.ran.append(name)
            if name in self.errors:
                raise self.errors[name]
            return {"rows": 1234}

        return SimpleNamespace(run=run)

    def start(self, *words) -> list[str]:
        """The jobs that this start ran."""
        self.ran.clear()
        pipeline.main(["--config", str(self.config), *words])
        return list(self.ran)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def flow(spark, tmp_path, store, monkeypatch) -> Flow:
    flow = Flow(tmp_path, store)
    monkeypatch.setattr(pipeline, "load_job", flow.load_job)
    assert spark.range(1).count() == 1
    return flow


ENDS = ("--from", PART[0], "--to", PART[-1])


@pytest.mark.spark
def test_jobs_run_in_their_order_each_with_its_line(flow, capsys):
    assert flow.start(*ENDS) == PART
    lines = capsys.readouterr().out.replace("\r", "\n").splitlines()
    assert lines[0].startswith("5 jobs, work folder ")
    assert re.fullmatch(r"done in 0 min \d+ s", lines[-1])
    done = [line for line in lines if "1,234 rows" in line]
    for number, (line, name) in enumerate(zip(done, PART, strict=True), start=1):
        assert re.fullmatch(rf"\[ {number}/5\] {name} +\d+\.\d s  1,234 rows", line)
    assert flow.start("--only", "build_signatures") == ["build_signatures"]


@pytest.mark.spark
def test_resume_runs_again_only_what_changed_and_what_reads_from_it(flow, capsys):
    assert flow.start(*ENDS) == PART
    assert flow.start(*ENDS, "--resume") == []
    assert capsys.readouterr().out.count("done before, unchanged") == 5
    changed = ("--set", "build_signatures.bits=5")
    wanted = ["build_signatures", "find_neighbours", "find_duplicates"]
    assert flow.start(*ENDS, "--resume", *changed) == wanted
    assert flow.start(*ENDS, "--resume", *changed) == []
    assert flow.start("--only", "build_index", *changed) == ["build_index"]  # asked for: it runs
    assert flow.start(*ENDS, "--resume", *changed) == ["find_neighbours"]


@pytest.mark.spark
def test_a_mistake_of_the_users_ends_the_flow_with_the_command_that_goes_on(flow, capsys):
    flow.errors["build_signatures"] = InputError("no photo of this model: run embed_photos")
    with pytest.raises(SystemExit) as left:
        flow.start(*ENDS, "--set", "evaluate.k=[1, 2]")
    assert left.value.code == 1
    assert flow.ran == PART[:2]
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    head, message, hint, command = out.replace("\r", "\n").splitlines()[-4:]
    assert head == "[ 2/5] build_signatures  FAILED"
    assert message == "no photo of this model: run embed_photos"
    assert hint == "to resume after correcting it:"
    words = shlex.split(command)[1:]
    assert words[:2] == ["-m", "devise_lib.pipeline"]

    assert status_of_the_last_pipeline() == "FAILED"

    flow.errors.clear()
    assert flow.start(*words[words.index(str(flow.config)) + 1 :]) == PART[1:]
    assert "evaluate.k=[1, 2]" in words
    assert status_of_the_last_pipeline() == "FINISHED"


def status_of_the_last_pipeline() -> str:
    runs = mlflow.search_runs(filter_string="run_name = 'pipeline'", output_format="list")
    return runs[0].info.status


@pytest.mark.spark
def test_a_fault_of_ours_keeps_its_stack_trace_and_has_the_command_too(flow, capsys):
    flow.errors["find_neighbours"] = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError, match="ours"):
        flow.start(*ENDS)
    assert "--from find_neighbours" in capsys.readouterr().out
    assert flow.ran == PART[:3]


@pytest.mark.spark
def test_a_job_that_failed_half_way_is_not_taken_for_finished(flow):
    flow.start(*ENDS)
    flow.errors["predict_labels"] = KeyError("ours")
    with pytest.raises(KeyError):
        flow.start("--only", "predict_labels")
    flow.errors.clear()
    assert flow.start(*ENDS, "--resume") == ["predict_labels"]


@pytest.mark.parametrize("words", [("--only", "nojob"), ("--from",), ("--until", "report")])
def test_words_that_the_command_line_does_not_know_end_with_2(words, capsys):
    with pytest.raises(SystemExit) as left:
        pipeline.main(["--config", "conf/local.toml", *words])
    assert left.value.code == 2
    assert "usage: pipeline" in capsys.readouterr().err


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
def test_a_failing_job_says_why_and_how_to_go_on_and_leaves_no_table(spark, tmp_path, capfd):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/notes.txt").write_text("no photo")
    photos = (f"work_dir={tmp_path}/new", f"ingest_photos.source={tmp_path}/photos")
    before = settings_of(spark)
    with pytest.raises(SystemExit) as left:
        run_in_session(spark, *DEMO, "--only", "ingest_photos", *set_options([*SMALL, *photos]))
    assert left.value.code == 1
    assert settings_of(spark) == before  # other tests share the session
    said = "".join(capfd.readouterr())
    assert "Traceback" not in said
    assert "1 of 1 photos are refused" in said
    assert "--only ingest_photos" in said
    assert not (tmp_path / "new/tables/photos").exists()


@pytest.mark.spark
@pytest.mark.slow
def test_resume_leaves_out_what_is_done(spark, small_run, capfd):
    settings = set_options([*SMALL, f"work_dir={small_run}"])
    run_in_session(spark, *DEMO, "--resume", *settings)
    said = "".join(capfd.readouterr())
    assert "Traceback" not in said
    assert said.count("done before, unchanged") == len(list((small_run / "runs").glob("*.json")))


TWO_WORKERS = spark_keys({**CLUSTER, "master": "local-cluster[2,1,2048]"})
BOTH_JOBS = """
import sys
from devise_lib import pipeline
for job in ("embed_photos", "train_word2vec"):
    pipeline.main([*sys.argv[1:], "--only", job])
"""


@pytest.fixture
def not_embedded(small_run, tmp_path) -> Path:
    """A copy of the small run's work folder that has no embeddings."""
    work = shutil.copytree(small_run, tmp_path / "work")
    for left in ("tables/embeddings", "checkpoints/embed_photos"):
        shutil.rmtree(work / left)
    return work


def check_embeddings(small_run: Path, work: Path, said: str) -> None:
    """The cluster embedded what the small run did, to rounding."""
    rows = ["photo_id", "model_id", "embedding"]
    before, after = (
        DeltaTable(folder / "tables/embeddings").to_pandas(columns=rows)
        for folder in (small_run, work)
    )
    assert f"{len(before)} embeddings" in said
    assert (after["model_id"] == before["model_id"][0]).all()
    order = [frame.sort_values("photo_id") for frame in (before, after)]
    assert list(order[0]["photo_id"]) == list(order[1]["photo_id"])
    matrices = [np.stack(frame["embedding"]) for frame in order]
    np.testing.assert_allclose(*matrices, atol=1e-5)


def check_words(small_run: Path, work: Path, said: str) -> None:
    """The cluster trained the words that the small run did."""
    known, trained = (
        DeltaTable(folder / "tables/word_vectors").to_pandas(columns=["word"])["word"]
        for folder in (small_run, work)
    )
    assert f"{len(known)} words" in said
    assert sorted(trained) == sorted(known)


@pytest.mark.spark
@pytest.mark.slow
def test_a_cluster_of_two_workers_embeds_the_same_and_trains_words_together(
    small_run, not_embedded
):
    engine = ("train_word2vec.engine=distributed", "train_word2vec.epochs=1")
    words = set_options([*SMALL, f"work_dir={not_embedded}", *TWO_WORKERS, *engine])
    said = complaint(run_program("-c", BOTH_JOBS, *DEMO, *words), 0)
    check_embeddings(small_run, not_embedded, said)
    check_words(small_run, not_embedded, said)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.soak
def test_each_job_is_a_program_of_its_own_on_a_cluster_of_two_workers(small_run, not_embedded):
    words = set_options([*SMALL, f"work_dir={not_embedded}", *TWO_WORKERS])
    done = run_program("jobs/embed_photos.py", *DEMO, *words)
    check_embeddings(small_run, not_embedded, complaint(done, 0))
    engine = ("--set", "train_word2vec.engine=distributed")
    done = run_program("jobs/train_word2vec.py", *DEMO, *words, *engine)
    check_words(small_run, not_embedded, complaint(done, 0))
