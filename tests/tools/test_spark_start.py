"""Delta's jars beside Spark's own, and the archive of classes: with programs in place of Java."""

import os
import sys
from pathlib import Path

import pyspark
import pytest

from devise_lib.spark.platform.fast_start import FastStart, read_settings
from tools.commands import Commands, SetupError
from tools.environment import SetUp
from tools.spark_start import EXERCISE, add_jars, archive_classes, fetch_delta

ROOT = Path(__file__).parents[2]
FAST_START = "devise_lib/spark/platform/fast_start.py"


@pytest.fixture
def setup(tmp_path) -> SetUp:
    """A set-up whose Spark has a jar of its own."""
    place = SetUp(tmp_path, Commands(tmp_path / "log"), {})
    (place.spark_home / "jars").mkdir(parents=True)
    (place.spark_home / "jars" / "antlr4-runtime-4.13.1.jar").write_text("Spark's own")
    (tmp_path / ".venv" / "bin").mkdir()
    for name in (EXERCISE, FAST_START):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return place


def resolved(folder: Path, *names: str) -> list[Path]:
    """Jars as Ivy leaves them, which hold their names."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return [folder / name for name in names]


def jars(setup: SetUp) -> dict[str, str]:
    return {path.name: path.read_text() for path in (setup.spark_home / "jars").iterdir()}


OWN = {"antlr4-runtime-4.13.1.jar": "Spark's own"}
OLD = ("io.delta_delta-spark_2.13-4.0.0.jar", "io.delta_delta-storage-4.0.0.jar")
NEW = ("io.delta_delta-spark_2.13-4.0.1.jar", "org.antlr_antlr4-runtime-4.13.2.jar")


def test_jars_come_beside_sparks_own_which_win(setup, tmp_path):
    added = add_jars(setup, resolved(tmp_path / "ivy", *NEW))
    assert jars(setup) == {**OWN, "delta-spark_2.13-4.0.1.jar": NEW[0]}
    assert [path.name for path in added] == ["delta-spark_2.13-4.0.1.jar"]
    assert setup.added_jars.read_text() == str(added[0])


def test_jars_of_another_version_go(setup, tmp_path):
    add_jars(setup, resolved(tmp_path / "ivy", *OLD))
    assert len(jars(setup)) == 3
    add_jars(setup, resolved(tmp_path / "ivy", *NEW))
    assert jars(setup) == {**OWN, "delta-spark_2.13-4.0.1.jar": NEW[0]}


def test_jars_that_are_there_stay_as_they_are(setup, tmp_path):
    """The archive of classes is for files with their times, and Java has them open."""
    [added] = add_jars(setup, resolved(tmp_path / "ivy", *NEW))
    os.utime(added, (1, 1))
    add_jars(setup, resolved(tmp_path / "ivy", *NEW))
    assert added.stat().st_mtime == 1
    added.write_text("half of")
    add_jars(setup, resolved(tmp_path / "ivy", *NEW))
    assert added.read_text() == NEW[0]


def test_files_elsewhere_that_an_older_set_up_noted_stay(setup, tmp_path):
    old = resolved(tmp_path / "ivy", *OLD)
    setup.added_jars.write_text("\n".join(map(str, old)))
    add_jars(setup, resolved(tmp_path / "ivy", *NEW))
    assert all(path.exists() for path in old)


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_delta_is_what_spark_resolves_with_our_settings(setup, tmp_path):
    [jar] = resolved(tmp_path / "ivy", NEW[0])
    program(setup.venv / "bin" / "spark-submit", f'echo "$@"; echo "jar {jar}"')
    assert fetch_delta(setup) == "delta-spark_2.13-4.0.1.jar"
    assert f"--properties-file {tmp_path}/conf/spark-defaults.conf" in (
        setup.commands.log_path.read_text()
    )


def test_settings_without_delta_are_told(setup):
    program(setup.venv / "bin" / "spark-submit", "echo resolved nothing")
    with pytest.raises(SetupError, match="names no Delta"):
        fetch_delta(setup)


# The exercise's arguments are itself, a folder and, unless it is a check, the file to write.
WRITES = 'echo call >> calls; [ -z "$3" ] || echo classes > "$3"'


@pytest.fixture
def _here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_here")
def test_the_archive_is_made_once_and_again_when_a_jar_has_changed(setup, tmp_path):
    program(setup.python, WRITES)
    assert "classes are archived" in archive_classes(setup)
    assert setup.fast_start.archive.read_text() == "classes\n"
    assert list(setup.fast_start.conf.iterdir()) == []
    assert archive_classes(setup) == "classes are archived already"
    assert (tmp_path / "calls").read_text() == "call\n"
    setup.fast_start.conf.rmdir()  # as in a copy of the environment without empty folders
    assert archive_classes(setup) == "classes are archived already"
    assert setup.fast_start.conf.is_dir()
    (setup.spark_home / "jars" / "more-1.jar").touch()
    archive_classes(setup)
    assert (tmp_path / "calls").read_text() == "call\ncall\n"


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "body", ["exit 0", '[ -z "$3" ] || { echo half > "$3"; echo Errno 28; exit 1; }']
)
def test_a_java_that_makes_no_archive_is_told_and_the_set_up_goes_on(setup, body):
    program(setup.python, WRITES)
    archive_classes(setup)
    (setup.root / EXERCISE).write_text("changed")
    program(setup.python, body)
    assert archive_classes(setup).startswith("no archive of classes, so that sessions start")
    left = {path.name for path in setup.fast_start.archive.parent.iterdir()}
    assert left == {"conf"}, "an archive of something else, or half of one"


def test_a_delta_that_does_not_work_stops_the_set_up(setup):
    program(setup.python, "exit 1")
    with pytest.raises(SetupError, match="Spark does not work with Delta's jars"):
        archive_classes(setup)


def test_this_environment_has_deltas_jars_once_and_resolves_no_packages():
    start = FastStart(Path(sys.prefix), Path(pyspark.__file__).parent)
    [jar] = (start.spark_home / "jars").glob("delta-spark_*.jar")
    ours = read_settings(ROOT / "conf" / "spark-defaults.conf")
    packages = ours.pop("spark.jars.packages")
    assert packages == f"io.delta:delta-spark_2.13:{jar.stem.rpartition('-')[2]}"
    own = read_settings(start.spark_home / "conf" / "spark-defaults.conf")
    assert own == {**ours, "spark.pyspark.python": str(Path(sys.prefix, "bin", "python"))}
