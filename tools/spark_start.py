"""Steps of the set-up that put Delta's jars beside Spark's own and archive Java's classes."""

import filecmp
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from devise_lib.spark.platform.find_java import find_java
from tools.commands import Commands, SetupError, Words
from tools.environment import SetUp, replace_file
from tools.java_trust import java_options

EXERCISE = "tools/exercise_spark.py"
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # Java ends after seconds
CHECK_FAILED = "Spark does not work with Delta's jars"


def begin_spark(setup: SetUp) -> str:
    """Step: starts `fetch_delta` and `archive_classes`, which run in parallel to the next steps."""

    def work(commands: Commands) -> str:
        beside = replace(setup, commands=commands)
        return f"{fetch_delta(beside)}; {archive_classes(beside)}"

    setup.background.begin(setup.commands, "spark", work)
    return "running in parallel to the next steps"


def finish_spark(setup: SetUp) -> str:
    """Step: waits for the end of what `begin_spark` started."""
    return setup.background.finish(setup.commands)


def fetch_delta(setup: SetUp) -> str:
    """Puts Delta's jars beside Spark's own. Spark resolves them, as it resolves any package.

    Raises:
        SetupError: the jars were not fetched, or the settings name no Delta.
    """
    settings = setup.root / "conf" / "spark-defaults.conf"
    submit: Words = [setup.venv / "bin" / "spark-submit", "--properties-file", settings]
    python: Words = ["--master", "local[1]", "--conf", f"spark.pyspark.python={setup.python}"]
    options = java_options(os.environ, setup.venv / "java-trust.jks")
    output = setup.commands.run(
        [*submit, *python, setup.root / "tools" / "fetch_delta.py"],
        "Delta's jars were not fetched",
        {"SPARK_SUBMIT_OPTS": " ".join([*QUICK_START, *options])},
    )
    jars = [line.removeprefix("jar ") for line in output.splitlines() if line.startswith("jar ")]
    added = add_jars(setup, [Path(jar) for jar in jars])
    if not setup.fast_start.has_delta():
        raise SetupError(
            f"conf/spark-defaults.conf names no Delta among {jars}: correct spark.jars.packages"
        )
    return ", ".join(path.name for path in added)


def add_jars(setup: SetUp, jars: Sequence[Path]) -> list[Path]:
    """Copies jars beside Spark's own and removes those of an earlier set-up; returns the copies.

    Spark's own files stay unchanged, because uv links them to its cache. If Spark has a jar of
    another version of the same artifact, its own takes precedence, as it does for packages.

    Args:
        setup: the set-up.
        jars: files named as by Ivy, group_artifact-version.jar.
    """
    folder = setup.spark_home / "jars"
    noted = setup.added_jars.read_text().split("\n") if setup.added_jars.exists() else []
    before = {Path(line) for line in noted if Path(line).parent == folder}
    own = {_artifact(path.name) for path in folder.glob("*.jar") if path not in before}
    copies = {folder / jar.name.partition("_")[2]: jar for jar in jars}
    wanted = {copy: jar for copy, jar in copies.items() if _artifact(copy.name) not in own}
    # The list comes first, so that a killed set-up leaves no jar that the next one does not know.
    replace_file(setup.added_jars, "\n".join(str(path) for path in sorted(before | set(wanted))))
    for copy, jar in wanted.items():
        if not (copy.exists() and filecmp.cmp(copy, jar, shallow=False)):
            arriving = copy.with_suffix(f".{os.getpid()}")
            shutil.copyfile(jar, arriving)
            os.replace(arriving, copy)
    for path in before - set(wanted):
        path.unlink(missing_ok=True)
    replace_file(setup.added_jars, "\n".join(str(path) for path in sorted(wanted)))
    return sorted(wanted)


def _artifact(name: str) -> str:
    """Returns the name of a jar without its version."""
    return re.split(r"-\d", name, maxsplit=1)[0]


def archive_classes(setup: SetUp) -> str:
    """Archives the classes that jobs load, by Java's class data sharing, and checks that Delta
    works.

    The archive makes sessions start faster. Because they start without it as well, the set-up
    continues if Java makes none.

    Raises:
        SetupError: Spark does not work with Delta's jars.
    """
    start = setup.fast_start
    note = start.archive.with_name("made-from.txt")
    made_from = _made_from(setup)
    if start.archive.is_file() and note.exists() and note.read_text() == made_from:
        start.conf.mkdir(exist_ok=True)  # a copy of the environment may lack empty folders
        return "classes are archived already"
    shutil.rmtree(start.archive.parent, ignore_errors=True)
    start.conf.mkdir(parents=True)
    arriving = start.archive.with_name("arriving.jsa")
    try:
        _exercise(setup, [arriving])
        os.replace(arriving, start.archive)
    except (SetupError, OSError) as error:
        arriving.unlink(missing_ok=True)
        _exercise(setup, [])
        return f"no archive of classes, so that sessions start more slowly ({error})"
    replace_file(note, made_from)
    return f"{start.archive.stat().st_size / 1e6:.0f} MB of classes are archived"


def _exercise(setup: SetUp, arguments: Words) -> None:
    scratch = setup.venv / "spark-exercise"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    program: Words = [setup.python, setup.root / EXERCISE, scratch]
    # This project may not be installed yet.
    environ = {"PYTHONPATH": str(setup.root)}
    setup.commands.run([*program, *arguments], CHECK_FAILED, environ)
    shutil.rmtree(scratch)


def _made_from(setup: SetUp) -> str:
    """Returns a digest of all that an archive depends on: Java, the jars and the programs."""
    home = find_java()
    files = [home / "release", home / "lib" / "modules"]
    files += sorted((setup.spark_home / "jars").glob("*.jar"))
    state = hashlib.sha256(str(home).encode())
    for path in files:
        if path.exists():
            about = path.stat()
            state.update(f"{path.name} {about.st_size} {about.st_mtime_ns}\n".encode())
    for program in (EXERCISE, "devise_lib/spark/platform/fast_start.py"):
        state.update((setup.root / program).read_bytes())
    return state.hexdigest()
