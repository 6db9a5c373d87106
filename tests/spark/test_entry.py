import json
import re
from pathlib import Path

import mlflow
import pytest

from devise_lib import tracking
from devise_lib.config import Evaluate, MakeSample
from devise_lib.config_photos import EmbedPhotos
from devise_lib.config_words import ParseWikipedia
from devise_lib.errors import ConfigError, InputError, SchemaError
from devise_lib.spark import entry
from devise_lib.spark.entry import (
    execute,
    find_input_error,
    fingerprint,
    read_record,
    run_job,
    speaking_errors,
)


def raised_from(cause: BaseException, outer: BaseException) -> BaseException:
    try:
        raise outer from cause
    except BaseException as error:
        return error


def raised_while(cause: BaseException, outer: BaseException) -> BaseException:
    try:
        try:
            raise cause
        except BaseException:
            raise outer  # noqa: B904
    except BaseException as error:
        return error


OWN = InputError("give a path")
WORKER = """An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "photos.py", line 7, in unpack
    raise InputError("...")
devise_lib.errors.InputError: a.tar cannot be read; give a whole one
"""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OWN, "give a path"),
        (SchemaError("table labels: x is missing"), "table labels: x is missing"),
        (raised_from(OWN, RuntimeError("stage failed")), "give a path"),
        (raised_while(OWN, RuntimeError("clean-up failed")), "give a path"),
        (RuntimeError(WORKER), "a.tar cannot be read; give a whole one"),
        (raised_from(RuntimeError(WORKER), ValueError("x")), "a.tar cannot be read; give a whole"),
    ],
)
def test_the_users_own_mistake_is_found_behind_other_errors(error, message):
    assert str(find_input_error(error)).startswith(message)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("devise_lib has a fault"),
        RuntimeError("Traceback\nValueError: devise_lib.errors.InputError: quoted"),
        raised_from(KeyError("x"), RuntimeError("y")),
    ],
)
def test_a_fault_of_ours_is_none(error):
    assert find_input_error(error) is None


@pytest.mark.spark
def test_a_mistake_that_a_worker_found_is_told_as_the_users(spark):
    def refuse(batches):
        from devise_lib.errors import InputError as Mistake

        for _ in batches:
            raise Mistake("photo 7 is missing; give it")

    with pytest.raises(Exception, match="photo 7") as raised:
        spark.range(3).mapInPandas(refuse, "id long").collect()
    assert str(find_input_error(raised.value)) == "photo 7 is missing; give it"


@pytest.mark.parametrize(
    ("error", "status"), [(ConfigError("two\nfaults"), 2), (InputError("no photo"), 1)]
)
def test_a_mistake_ends_the_program_with_its_message_and_a_status(error, status, capsys):
    with pytest.raises(SystemExit) as left, speaking_errors("some_job"):
        raise error
    assert left.value.code == status
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"some_job: {error}\n")


def test_other_errors_keep_their_stack_trace():
    for error in (KeyError("ours"), KeyboardInterrupt()):
        with pytest.raises(type(error)), speaking_errors("some_job"):
            raise error


@pytest.fixture
def dump(tmp_path) -> Path:
    path = tmp_path / "in" / "dump.xml"
    path.parent.mkdir()
    path.write_text("<mediawiki/>")
    return path


def leave_record(work: Path, job: str, run_id: str) -> None:
    record = entry.JobRecord(job, run_id, "f", 1.0, {"rows": 3}, 5.0)
    path = work / "runs" / f"{job}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record.__dict__))


def test_a_fingerprint_changes_with_all_that_a_result_depends_on(tmp_path, dump):
    work = tmp_path / "w"
    config = ParseWikipedia(work_dir=str(work), dump=str(dump))
    seen = [fingerprint(config)]

    def changed() -> bool:
        seen.append(fingerprint(config))
        return seen[-1] not in seen[:-1]

    assert not changed()
    config = config.model_copy(update={"namespaces": (0, 1)})
    assert changed()
    config = config.model_copy(update={"seed": 3})
    assert changed()
    dump.write_text("<mediawiki></mediawiki>")
    assert changed()
    leave_record(work, "make_sample", "run-1")
    assert changed()
    leave_record(work, "make_sample", "run-2")
    assert changed()
    leave_record(work, "evaluate", "run-9")  # not what this job reads from
    assert not changed()


def test_a_fingerprint_sees_a_new_file_deep_in_an_input_folder(tmp_path, dump):
    config = ParseWikipedia(work_dir=str(tmp_path / "w"), dump=str(dump.parent))
    (dump.parent / "deep").mkdir()
    before = fingerprint(config)
    (dump.parent / "deep" / "more.xml").write_text("x")
    assert fingerprint(config) != before


def test_a_fingerprint_does_not_change_with_where_the_results_lie(tmp_path, dump):
    prints = {
        fingerprint(ParseWikipedia(work_dir=str(tmp_path / w), dump=str(dump), tracking_uri=uri))
        for w in ("one", "two")
        for uri in ("", "sqlite:///x")
    }
    assert len(prints) == 1


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
    assert record.row_text() == "5 rows, 12,345 left out"
    assert record.fingerprint == fingerprint(config)
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


def test_a_job_that_never_finished_has_no_record(tmp_path):
    assert read_record(str(tmp_path), "evaluate") is None


def never(*_):
    raise AssertionError("the job was run")


def test_a_configuration_that_cannot_be_used_ends_before_spark_starts(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(entry, "start_session", never)
    path = tmp_path / "c.toml"
    path.write_text(f"work_dir = '{tmp_path}/w'\n[evaluate]\nkk = 3\n")
    with pytest.raises(SystemExit) as left:
        run_job(never, Evaluate, ["--config", str(path), "--set", "seed=-1"])
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("evaluate: ")
    assert "evaluate.kk: unknown key, did you mean 'k'?" in err
    assert "seed is -1" in err
    assert not (tmp_path / "w").exists()


def test_a_job_that_the_file_does_not_ask_for_is_not_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(entry, "start_session", never)
    path = tmp_path / "c.toml"
    path.write_text("")
    with pytest.raises(SystemExit) as left:
        run_job(never, MakeSample, ["--config", str(path)])
    assert left.value.code == 2
    assert "has no table [make_sample]: add it" in capsys.readouterr().err


@pytest.mark.spark
@pytest.mark.usefixtures("spark")  # the session that start_session then takes
@pytest.mark.parametrize("managed", [False, True])  # where a platform keeps the logs, none is told
def test_a_program_says_where_its_log_is_and_what_it_did(
    tmp_path, store, capsys, monkeypatch, managed
):
    monkeypatch.setattr(entry, "is_managed", lambda: managed)
    path = tmp_path / "c.toml"
    path.write_text(f"work_dir = '{tmp_path}/w'\ntracking_uri = '{store}'\n")

    def run(session, config):
        return {"embeddings": session.range(1200).count(), "batches": config.batch_size}

    run_job(run, EmbedPhotos, ["--config", str(path), "--set", "embed_photos.batch_size=7"])
    first, last = capsys.readouterr().out.splitlines()
    log = "" if managed else f", log {tmp_path}/w/logs/spark.log"
    assert first == f"embed_photos  started{log}"
    assert re.fullmatch(r"embed_photos  \d+\.\d s  1,200 embeddings, 7 batches", last)
    assert read_record(f"{tmp_path}/w", "embed_photos").rows["batches"] == 7


def asked_for(tmp_path, monkeypatch, *words: str) -> list[tuple]:
    """What a job of these words is run with."""
    monkeypatch.setattr(entry, "start_session", lambda *_: None)
    path = tmp_path / "c.toml"
    path.write_text(f"work_dir = '{tmp_path}/w'\n")
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(entry, "execute", lambda *given: seen.append(given[2].retry) or never())
        with pytest.raises((AssertionError, SystemExit)):
            run_job(never, EmbedPhotos, ["--config", str(path), *words])
    return seen


def test_classes_to_try_again_are_words_of_the_command(tmp_path, monkeypatch, capsys):
    words = ("--retry", "time_out", "--retry", "missing_file")
    assert asked_for(tmp_path, monkeypatch, *words) == [("time_out", "missing_file")]
    assert asked_for(tmp_path, monkeypatch) == [()]
    assert asked_for(tmp_path, monkeypatch, "--retry", "timeout") == []
    assert "invalid choice: 'timeout' (choose from 'empty', " in capsys.readouterr().err
