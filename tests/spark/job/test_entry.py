import re

import mlflow
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from devise_lib import tracking
from devise_lib.command_line import find_input_error
from devise_lib.config.photos import EmbedPhotos
from devise_lib.config.registry import JOBS
from devise_lib.config.reporting import Evaluate
from devise_lib.config.search import BuildSignatures
from devise_lib.errors import InputError
from devise_lib.run_record import JobRecord, fingerprint, read_inputs, read_record, write_record
from devise_lib.spark.job import entry, log
from devise_lib.spark.job.entry import execute, run_job
from devise_lib.spark.job.locks import only_run


@pytest.mark.spark
def test_a_mistake_that_a_worker_found_is_told_as_the_users(spark):
    def refuse(batches):
        from devise_lib.errors import InputError as Mistake

        for _ in batches:
            raise Mistake("photo 7 is missing; give it")

    with pytest.raises(Exception, match="photo 7") as raised:
        spark.range(3).mapInPandas(refuse, "id long").collect()
    assert str(find_input_error(raised.value)) == "photo 7 is missing; give it"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def config(tmp_path, store) -> Evaluate:
    config = Evaluate(work_dir=str(tmp_path / "w"), tracking_uri=store)
    tracking.connect(config)
    return config


def test_a_job_that_finishes_leaves_a_record_and_its_run(config):
    record = execute(None, lambda _, c: {"rows": len(c.k), "left out": 12345}, config, "parent")
    assert read_record(config.work_dir, "evaluate") == record
    assert record.rows == {"rows": 5, "left out": 12345}
    assert record.fingerprint == fingerprint(config, read_inputs(config, None))
    run = mlflow.get_run(record.run_id)
    assert run.data.metrics["rows_left_out"] == 12345
    assert run.data.metrics["seconds"] == pytest.approx(record.seconds, abs=0.01)
    assert run.data.tags["mlflow.parentRunId"] == "parent"


def test_a_job_that_fails_leaves_a_failed_run_and_no_record_of_an_earlier_one(config):
    runs = []

    def fail(*_):
        runs.append(tracking.current_run_id())
        raise InputError("no photo")

    execute(None, lambda *_: {}, config)
    with pytest.raises(InputError):
        execute(None, fail, config)
    assert read_record(config.work_dir, "evaluate") is None
    assert mlflow.get_run(runs[0]).info.status == "FAILED"


def test_a_run_that_changes_no_row_leaves_the_result_of_the_run_before(tmp_path, store):
    """So that the jobs behind it are as they were for `--resume`. No Spark: deltalake writes."""
    config = EmbedPhotos(work_dir=str(tmp_path / "w"), tracking_uri=store)
    behind = BuildSignatures(work_dir=config.work_dir)
    tracking.connect(config)
    table = tmp_path / "w" / "tables" / "embeddings"

    def add(*_):
        write_deltalake(table, pa.table({"photo_id": ["p1"]}), mode="append")
        return {"embeddings": 1}

    def nothing_new(*_):
        return {"embeddings": 1}

    def fail(*_):
        raise InputError("no photo")

    first = execute(None, add, config)
    assert first.result_of == first.run_id
    before = fingerprint(behind, read_inputs(behind, None))
    second, third = (execute(None, nothing_new, config) for _ in range(2))
    assert second.run_id != third.run_id
    assert second.result_of == third.result_of == first.run_id
    assert fingerprint(behind, read_inputs(behind, None)) == before

    more = execute(None, add, config)
    assert more.result_of == more.run_id
    assert fingerprint(behind, read_inputs(behind, None)) != before

    with pytest.raises(InputError):
        execute(None, fail, config)
    after_a_fault = execute(None, nothing_new, config)  # the other may have changed something
    assert after_a_fault.result_of == after_a_fault.run_id


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_runs_once_at_a_time_in_a_work_folder(tmp_path, job):
    """Folders, checkpoints and records of a job are of one run: two at once would mix them.

    A run that is refused changes nothing, not even the record of the last one that finished.
    """
    config = job.model_construct(work_dir=str(tmp_path))
    record = JobRecord(job.name, "run-1", "print", 1.0, {}, 5.0, "run-1")
    write_record(config.work_dir, record)
    with only_run(config.work_dir, job.name):
        if job is EmbedPhotos:  # several models may be embedded at once: each has a lock of its own
            assert job.beside_itself
        else:
            with pytest.raises(InputError, match=f"{job.name} is running in this work folder"):
                execute(None, never, config)
    assert read_record(config.work_dir, job.name) == record


def test_a_job_that_makes_its_results_anew_has_new_ones_each_time(config):
    first, second = (execute(None, lambda *_: {}, config) for _ in range(2))
    assert (first.result_of, second.result_of) == (first.run_id, second.run_id)
    assert first.run_id != second.run_id


def never(*_):
    raise AssertionError("the job was run")


def test_a_configuration_that_cannot_be_used_ends_before_spark_starts(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(entry, "start_session", never)
    path = tmp_path / "c.toml"
    path.write_text("[evaluate]\nkk = 3\n")
    with pytest.raises(SystemExit) as left:
        run_job(never, Evaluate, ["--config", str(path)])
    assert left.value.code == 2
    assert "evaluate.kk: unknown key" in capsys.readouterr().err


@pytest.mark.spark
@pytest.mark.usefixtures("spark")  # the session that start_session then takes
@pytest.mark.parametrize("managed", [False, True])  # where a platform keeps the logs, none is told
def test_a_program_says_where_its_log_is_and_what_it_did(
    tmp_path, store, capsys, monkeypatch, managed
):
    monkeypatch.setattr(log, "is_managed", lambda: managed)
    path = tmp_path / "c.toml"
    path.write_text(f"work_dir = '{tmp_path}/w'\ntracking_uri = '{store}'\n")

    def run(session, config):
        return {"embeddings": session.range(1200).count(), "batches": config.batch_size}

    run_job(run, EmbedPhotos, ["--config", str(path), "--set", "embed_photos.batch_size=7"])
    first, last = capsys.readouterr().out.splitlines()
    where = "" if managed else f", log {tmp_path}/w/logs/spark.log"
    assert first == f"embed_photos  started{where}"
    assert re.fullmatch(r"embed_photos  \d+\.\d s  1,200 embeddings, 7 batches", last)
    assert read_record(f"{tmp_path}/w", "embed_photos").rows["batches"] == 7
