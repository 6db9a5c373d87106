"""The settings of the environment's own Spark."""

import os
import subprocess
from pathlib import Path

import pytest

from tools.commands import Commands
from tools.environment import SetUp
from tools.spark_settings import configure_spark


@pytest.fixture
def setup(tmp_path) -> SetUp:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text(
        "spark.jars.packages  io.delta:delta-spark_2.13:4.0.1\nspark.sql.session.timeZone UTC\n"
    )
    place = SetUp(tmp_path, Commands(tmp_path / "log"), {})
    place.spark_home.mkdir(parents=True)
    (tmp_path / ".venv" / "bin").mkdir()
    return place


def test_spark_takes_our_settings_and_the_environments_python_but_resolves_nothing(setup):
    configure_spark(setup)
    conf = (setup.spark_home / "conf" / "spark-defaults.conf").read_text().splitlines()
    settings = dict(line.split(None, 1) for line in conf if line and not line.startswith("#"))
    assert settings == {
        "spark.sql.session.timeZone": "UTC",
        "spark.pyspark.python": str(setup.python),
    }


def source(script: Path, variable: str, environ: dict[str, str]) -> subprocess.CompletedProcess:
    """Run `script` as Spark's own scripts do, then print a variable that it should have set."""
    command = ["bash", "-c", f'. "{script}" && echo "${variable}"']
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True
    )


def test_spark_finds_its_own_folder_without_asking_a_python(setup):
    configure_spark(setup)
    script = setup.venv / "bin" / "find-spark-home"
    assert source(script, "SPARK_HOME", {}).stdout.strip() == str(setup.spark_home)
    own = source(script, "SPARK_HOME", {"SPARK_HOME": "/opt/spark"})
    assert own.stdout.strip() == "/opt/spark"


def test_spark_takes_the_java_that_the_project_finds(setup):
    configure_spark(setup)
    setup.python.write_text("#!/bin/sh\n[ $# = 2 ] && echo /opt/java17\n")
    setup.python.chmod(0o755)
    script = setup.spark_home / "conf" / "spark-env.sh"
    found = source(script, "JAVA_HOME", {"JAVA_HOME": "/opt/java25"})
    assert found.stdout.strip() == "/opt/java17"


def test_spark_stops_with_the_message_where_there_is_no_java(setup):
    configure_spark(setup)
    setup.python.write_text("#!/bin/sh\necho 'error: Spark 4.0 wants Java 17' >&2; exit 1\n")
    setup.python.chmod(0o755)
    found = source(setup.spark_home / "conf" / "spark-env.sh", "JAVA_HOME", {})
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr == "error: Spark 4.0 wants Java 17\n"


def test_twice_is_the_same_as_once(setup):
    configure_spark(setup)
    files = [path for path in setup.venv.rglob("*") if path.is_file()]
    first = {path: path.read_bytes() for path in files}
    configure_spark(setup)
    assert {path: path.read_bytes() for path in files} == first
