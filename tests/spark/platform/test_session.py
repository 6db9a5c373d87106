"""Settings of sessions; one is started where what Java and Spark make of them is the subject."""

import os
import sys
from pathlib import Path

import pytest
from pyspark.errors import PySparkRuntimeError

from devise_lib.errors import InputError
from devise_lib.spark.platform import session
from devise_lib.spark.platform.fast_start import FastStart
from devise_lib.spark.platform.session import log_to, start_session
from tests.conftest import SESSION, run_program
from tests.in_session import settings_kept


@pytest.mark.spark
def test_a_session_that_runs_already_is_taken_and_keeps_what_it_was_set_to(spark):
    """A default of ours never replaces what a user has set, in whatever way he set it."""
    ours, users = "spark.sql.files.openCostInBytes", "spark.sql.shuffle.partitions"
    with settings_kept(spark):
        spark.conf.unset(ours)
        spark.conf.set(users, "77")
        found = start_session("another name", {"sql.ansi.enabled": "true"})
        assert found.sparkContext is spark.sparkContext
        assert found.conf.get("spark.sql.session.timeZone") == "UTC"
        assert found.conf.get("spark.sql.extensions") == session.DELTA_EXTENSION
        assert found.conf.get(ours) == session.LOCAL_SETTINGS[ours]
        assert found.conf.get(users) == "77"
        start_session("tests", {"sql.shuffle.partitions": "2"})
        assert found.conf.get(users) == "2", "the configuration wins over all others"


@pytest.mark.spark
def test_workers_run_the_python_of_the_driver(spark):
    def python(_):
        yield sys.executable

    assert set(spark.sparkContext.parallelize([1, 2], 2).mapPartitions(python).collect()) == {
        sys.executable
    }


@pytest.mark.spark
def test_our_session_takes_the_archive_and_keeps_the_users_java_options(spark):
    java = spark._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean()
    arguments = list(java.getInputArguments())
    archive = f"{sys.prefix}/spark-start/classes.jsa"
    assert f"-XX:SharedArchiveFile={archive}" in arguments
    assert set(SESSION["driver.extraJavaOptions"].split()) <= set(arguments)
    maps = Path(f"/proc/{spark._jvm.java.lang.ProcessHandle.current().pid()}/maps")
    assert archive in maps.read_text(), "Java has refused it: is the class path another one?"
    assert "SPARK_CONF_DIR" not in os.environ, "other programs of this process would find it"


OWN_SETTINGS = """
import os, sys
from devise_lib.spark.platform.session import start_session
spark = start_session("own settings", dict(word.split("=", 1) for word in sys.argv[2:]))
spark.range(3).write.format("delta").save(sys.argv[1])
java = spark._jvm.java.lang.ProcessHandle.current().pid()
print(spark.conf.get("spark.own"), spark.read.format("delta").load(sys.argv[1]).count())
keys = "spark.sql.session.timeZone", "spark.sql.shuffle.partitions"
print(*map(spark.conf.get, keys))
print("spark-start" in open(f"/proc/{java}/maps").read(), os.environ["SPARK_CONF_DIR"])
"""


@pytest.mark.spark
def test_a_users_own_folder_of_settings_stays_and_delta_works_without_the_archive(
    tmp_path, monkeypatch
):
    own = "spark.own yes\nspark.sql.session.timeZone CET\nspark.sql.shuffle.partitions 9\n"
    (tmp_path / "spark-defaults.conf").write_text(own)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    small = {**SESSION, "master": "local[1]", "sql.codegen.wholeStage": "false"}
    words = [f"{key}={value}" for key, value in small.items()]
    done = run_program("-c", OWN_SETTINGS, str(tmp_path / "table"), *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["yes 3", "CET 9", f"False {tmp_path}"]


@pytest.fixture
def start(tmp_path) -> FastStart:
    """An environment as the set-up leaves it."""
    made = FastStart(tmp_path / "venv", tmp_path / "spark")
    for folder in (made.conf, made.spark_home / "conf", made.spark_home / "jars"):
        folder.mkdir(parents=True)
    made.archive.write_text("classes")
    (made.spark_home / "jars" / "delta-spark_2.13-4.0.1.jar").touch()
    (made.spark_home / "conf" / "spark-defaults.conf").write_text(
        "# a comment\nspark.one  a b\n\nspark.two=2\n spark.three: 3\nalone\n"
    )
    return made


def test_without_sparks_folder_of_settings_its_settings_are_given_by_us(start):
    assert start.fits({})
    settings = start.settings({"spark.two": "given"})
    assert settings.pop("spark.driver.defaultJavaOptions").endswith(f'File={start.archive}"')
    assert settings == {"spark.one": "a b", "spark.two": "given", "spark.three": "3"}


def test_the_users_default_java_options_follow_ours(start):
    given = {"spark.driver.defaultJavaOptions": "-Dx=1"}
    options = start.settings(given)["spark.driver.defaultJavaOptions"]
    assert options.endswith(f'"-XX:SharedArchiveFile={start.archive}" -Dx=1')
    start.archive.unlink()
    assert start.settings(given)["spark.driver.defaultJavaOptions"] == "-Dx=1"


def test_sparks_folder_of_settings_stays_where_the_user_has_his_own(start):
    assert not start.fits({"SPARK_CONF_DIR": "/etc/spark"})
    (start.spark_home / "conf" / "log4j2.properties").touch()
    assert not start.fits({})


@pytest.mark.parametrize("gone", ["venv/spark-start/conf", "spark/jars/delta-spark_2.13-4.0.1.jar"])
def test_an_environment_that_the_set_up_did_not_make_is_left_alone(start, tmp_path, gone):
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    assert not start.fits({})


def own_options(given: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    builder, environment = session._own_builder("test", given)
    return dict(builder._options), environment


@pytest.fixture
def _environment(monkeypatch):
    """Variables that a builder sets for the process are gone after the test."""
    for name in ("JAVA_HOME", "SPARK_HOME"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)


@pytest.mark.usefixtures("_environment")
def test_delta_is_resolved_where_its_jars_do_not_lie_beside_sparks(monkeypatch):
    memory = {"spark.driver.memory": "1g"}
    options, environment = own_options({"spark.master": "local[1]", **memory})
    assert "spark.jars.packages" not in options
    assert environment == {"SPARK_CONF_DIR": f"{sys.prefix}/spark-start/conf"}
    monkeypatch.setattr(FastStart, "has_delta", lambda _: False)
    options, environment = own_options({"spark.master": "local[1]", **memory})
    assert options["spark.jars.packages"].startswith("io.delta:delta-spark_2.13:")
    assert (environment, "spark.driver.defaultJavaOptions" in options) == ({}, False)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("master", ["spark://there:7077", "yarn", "k8s://https://there"])
def test_a_cluster_gets_delta_as_a_package_and_nothing_of_this_machine(master):
    """What is right for one machine is not given to a cluster: executors look for the driver."""
    options, environment = own_options({"spark.master": master})
    assert options["spark.jars.packages"].startswith("io.delta:delta-spark_2.13:")
    of_this_machine = ("driver.defaultJavaOptions", "driver.host", "driver.memory", "python.daemon")
    assert not any(key.startswith(tuple(f"spark.{k}" for k in of_this_machine)) for key in options)
    assert environment == {}
    assert own_options({"spark.master": "local[1]"})[0]["spark.driver.host"] == "localhost"


OURS = {
    "spark.driver.host": "localhost",
    "spark.driver.memory": None,  # as the machine has it
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.python.daemon.module": "devise_lib.spark.platform.worker_daemon",
}


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("key", OURS)
@pytest.mark.parametrize("by", ["SPARK_CONF_DIR", "a configuration"])
def test_a_setting_of_the_users_wins_over_ours(tmp_path, monkeypatch, key, by):
    """Ours are defaults: a file of Spark's own settings counts as much as our configuration."""
    value = "1100m" if key == "spark.driver.memory" else "mine"
    given = {"spark.master": "local[1]"}
    assert OURS[key] in (None, own_options(given)[0][key])
    if by == "SPARK_CONF_DIR":
        (tmp_path / "spark-defaults.conf").write_text(f"{key} {value}\n")
        monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
        assert key not in own_options(given)[0], "Spark reads the file, and we would overrule it"
    else:
        assert own_options({**given, key: value})[0][key] == value


@pytest.mark.usefixtures("_environment")
def test_packages_and_extensions_of_the_users_stay_beside_deltas():
    given = {"spark.master": "yarn", "spark.jars.packages": "a:b:1, c:d:2"}
    options, _ = own_options({**given, "spark.sql.extensions": "org.Other"})
    delta, *others = options["spark.jars.packages"].split(",")
    assert delta.startswith("io.delta:delta-spark_")
    assert others == ["a:b:1", "c:d:2"]
    assert options["spark.sql.extensions"] == f"org.Other,{session.DELTA_EXTENSION}"
    own_delta = "io.delta:delta-spark_2.13:4.0.0"
    options, _ = own_options({**given, "spark.jars.packages": own_delta})
    assert options["spark.jars.packages"] == own_delta


@pytest.mark.usefixtures("_environment")
def test_fewer_cores_than_the_machine_has_are_told_once(monkeypatch, capsys):
    monkeypatch.setattr(session, "cores_available", lambda: 16)
    monkeypatch.setattr(session, "memory_available_bytes", lambda: 8 * 2**30)
    options, _ = own_options({})
    assert (options["spark.master"], options["spark.driver.memory"]) == ("local[6]", "2048m")
    assert capsys.readouterr().out.startswith("6 of 16 cores are used: 8.0 GiB of memory are free")
    assert own_options({"spark.master": "local[2]"})[0]["spark.master"] == "local[2]"
    assert capsys.readouterr().out == ""


@pytest.mark.spark
@pytest.mark.usefixtures("_environment")
def test_workers_run_the_python_that_the_user_names(spark, monkeypatch):
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    monkeypatch.setattr(session, "_create", lambda *_: spark)
    with settings_kept(spark):
        start_session("tests", {"pyspark.python": "/other/python"})
    assert os.environ["PYSPARK_PYTHON"] == "/other/python"


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
