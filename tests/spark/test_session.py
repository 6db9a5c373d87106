import os
import sys

import pytest
from pyspark.errors import PySparkRuntimeError

from devise_lib.errors import InputError
from devise_lib.spark import session
from devise_lib.spark.session import log_to, start_session


@pytest.mark.parametrize(
    ("master", "cores"),
    [
        ("local", 1),
        ("local[3]", 3),
        ("local[*]", os.cpu_count()),
        ("local[2,4]", 2),
        ("local-cluster[2,3,2048]", 6),
    ],
)
def test_a_local_master_says_how_many_tasks_run_at_once(master, cores):
    assert session._cores(master) == cores


@pytest.mark.spark
def test_a_session_that_runs_already_is_taken_and_set(spark):
    found = start_session("another name", {"sql.ansi.enabled": "true"})
    assert found.sparkContext is spark.sparkContext
    assert found.conf.get("spark.sql.session.timeZone") == "UTC"
    assert found.conf.get("spark.sql.extensions") == session.DELTA_EXTENSION
    assert found.conf.get("spark.databricks.delta.snapshotPartitions") == "2"
    assert found.conf.get("spark.sql.shuffle.partitions") == "4"
    start_session("tests", {"sql.shuffle.partitions": "2"})
    assert found.conf.get("spark.sql.shuffle.partitions") == "2", "the user's setting wins"


@pytest.mark.spark
def test_workers_run_the_python_of_the_driver(spark):
    def python(_):
        yield sys.executable

    assert set(spark.sparkContext.parallelize([1, 2], 2).mapPartitions(python).collect()) == {
        sys.executable
    }


class WithoutDelta:
    class conf:
        @staticmethod
        def get(_key, default):
            return default


def test_a_session_without_delta_is_told_what_spark_submit_wants(monkeypatch):
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    with pytest.raises(InputError, match=r"--properties-file conf/spark-defaults\.conf"):
        session._require_delta(WithoutDelta)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.0")  # there Delta is built in
    session._require_delta(WithoutDelta)


class Builder:
    def __init__(self, error):
        self.error = error

    def getOrCreate(self):
        raise self.error


def test_a_port_in_use_is_told_with_the_setting_that_names_it():
    error = RuntimeError("java.net.BindException: Address already in use")
    with pytest.raises(InputError, match=r"in use \(spark.driver.port = 4711\): stop"):
        session._create(Builder(error), {"spark.driver.port": "4711", "spark.master": "local"})
    with pytest.raises(InputError, match=r"in use \(the driver port\)"):
        session._create(Builder(error), {})


def test_a_java_that_does_not_start_is_told_and_other_errors_pass():
    with pytest.raises(InputError, match="Spark did not start: no gateway; see its log"):
        session._create(Builder(PySparkRuntimeError("no gateway")), {})
    with pytest.raises(KeyError):
        session._create(Builder(KeyError("ours")), {})


def test_standard_error_goes_to_the_log_also_from_other_programs(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(session, "is_managed", lambda: False)
    log = tmp_path / "logs" / "spark.log"
    for line in ("first", "second"):
        with log_to(log):
            os.system(f"echo {line} >&2")
            print("for the terminal")  # noqa: T201
    os.system("echo afterwards >&2")
    assert log.read_text() == "first\nsecond\n"
    out, err = capfd.readouterr()
    assert (out, err) == ("for the terminal\n" * 2, "afterwards\n")


def test_where_a_platform_has_made_the_session_it_keeps_its_log(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(session, "is_managed", lambda: True)
    with log_to(tmp_path / "spark.log"):
        os.system("echo hello >&2")
    assert not (tmp_path / "spark.log").exists()
    assert capfd.readouterr().err == "hello\n"
