"""The set-up as a whole: when it is done, in which order, and how it stops."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devise_lib.errors import InputError
from tools import setup_environment
from tools.commands import Commands, SetupError
from tools.environment import SetUp
from tools.setup_environment import (
    INPUTS,
    STAMP,
    alone_in,
    check_python,
    digest,
    is_up_to_date,
    main,
    provide_java,
    write_stamp,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _signals():
    """`main` answers SIGTERM in its own way; the tests after these should not."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def root(tmp_path) -> Path:
    """Sources with what the set-up reads, and an environment in which all that it needs exists."""
    files = (*INPUTS, "tools/one.py", ".venv/bin/python", "jars/delta.jar")
    for name in (*files, ".venv/spark-start/classes.jsa"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "requirements.lock").write_text("horovod==0.28.1\ntensorflow-cpu==2.21.0\n")
    (tmp_path / ".venv" / "delta-jars.txt").write_text(str(tmp_path / "jars" / "delta.jar"))
    (tmp_path / ".venv" / "spark-start" / "conf").mkdir()
    return tmp_path


@pytest.fixture
def setup(root) -> SetUp:
    return SetUp(root, Commands(root / ".venv" / "setup.log"), {"horovod": "0.28.1"})


def test_is_done_once_the_stamp_is_there(root, setup):
    assert not is_up_to_date(root)
    write_stamp(setup)
    assert is_up_to_date(root)


@pytest.mark.parametrize("name", [*INPUTS, "tools/one.py"])
def test_is_not_done_when_what_it_was_made_from_has_changed(root, setup, name):
    write_stamp(setup)
    (root / name).write_text("changed\n")
    assert not is_up_to_date(root)


NEEDED = [".venv/bin/python", "jars/delta.jar", ".venv/spark-start/classes.jsa"]


@pytest.mark.parametrize("name", [*NEEDED, ".venv/spark-start/conf"])
def test_is_not_done_when_what_it_needs_is_gone(root, setup, name):
    write_stamp(setup)
    (root / name).rename(root / "elsewhere")
    assert not is_up_to_date(root)


def test_is_done_without_an_archive_where_java_makes_none(root, setup):
    setup.fast_start.archive.unlink()
    write_stamp(setup)
    assert is_up_to_date(root)


@pytest.mark.parametrize("stamp", ["", "{", '{"digest": "0", "needs": []}'])
def test_is_not_done_by_a_stamp_of_something_else(root, stamp):
    (root / STAMP).write_text(stamp)
    assert not is_up_to_date(root)


def test_the_digest_knows_where_the_sources_are(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for path in root.rglob("*"):
        if path.is_file():
            (other / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
            (other / path.relative_to(root)).write_bytes(path.read_bytes())
    assert digest(other) != digest(root)


def test_this_projects_own_inputs_exist():
    assert len(digest(ROOT)) == 64


@pytest.fixture
def steps(monkeypatch) -> list[str]:
    """The steps replaced by two that note their name; the second fails while "fail" is noted."""
    done: list[str] = []

    def second(_: SetUp) -> str:
        if "fail" in done:
            raise SetupError("the disk is full: free some space")
        done.append("second")
        return "made"

    first = ("the first", "a moment", lambda _: done.append("first") or "found")
    monkeypatch.setattr(
        setup_environment, "STEPS", (first, ("the second", "3 GB, a minute", second))
    )
    return done


def test_says_of_each_step_what_it_does_what_it_costs_and_how_long_it_took(root, steps, capsys):
    assert main(root) == 0
    assert steps == ["first", "second"]
    said = capsys.readouterr().out.splitlines()
    assert said[1:3] == ["[1/2] the first (a moment)", "      found: 0.0 s"]
    assert said[3:5] == ["[2/2] the second (3 GB, a minute)", "      made: 0.0 s"]


def test_a_second_call_does_nothing_and_says_nothing(root, steps, capsys):
    main(root)
    capsys.readouterr()
    assert main(root) == 0
    assert steps == ["first", "second"]
    assert capsys.readouterr().out == ""


def test_a_failed_step_is_one_line_and_status_1_and_is_done_by_the_next_call(root, steps, capsys):
    steps.append("fail")
    assert main(root) == 1
    assert capsys.readouterr().err == "set-up stopped: the disk is full: free some space\n"
    steps.remove("fail")
    assert main(root) == 0
    assert steps == ["first", "first", "second"]


def test_a_set_up_that_failed_half_way_back_to_old_sources_is_not_done(root, steps):
    """Packages of the new lock may be there, although the sources are those of the stamp again."""
    main(root)
    lock = root / "requirements.lock"
    old = lock.read_text()
    lock.write_text(f"{old}six==1.17.0\n")
    steps.append("fail")
    assert main(root) == 1
    lock.write_text(old)
    assert not is_up_to_date(root)


def test_a_step_that_fails_ends_what_runs_beside_it(root, monkeypatch, capsys):
    def begin(setup: SetUp) -> str:
        setup.background.begin(
            setup.commands, "other", lambda beside: beside.run(["sleep", "60"], "stopped")
        )
        return "begun"

    def fail(_: SetUp) -> str:
        raise SetupError("no network")

    steps = (("jars", "a moment", begin), ("packages", "a moment", fail))
    monkeypatch.setattr(setup_environment, "STEPS", steps)
    started = time.monotonic()
    assert main(root) == 1
    assert time.monotonic() - started < 20
    assert capsys.readouterr().err == "set-up stopped: no network\n"


def test_a_folder_that_cannot_be_written_is_one_line(root, monkeypatch, capsys):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/sources/.venv")

    monkeypatch.setattr(setup_environment, "set_up", refuse)
    assert main(root) == 1
    assert capsys.readouterr().err == "set-up stopped: Permission denied: /sources/.venv\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_set_up_says_so_and_leaves_no_stamp(root, number):
    ignored = "SIGINT" if number == signal.SIGTERM else "SIGHUP"  # as a shell's background job has
    script = (
        "import signal, sys, time\n"
        f"signal.signal(signal.{ignored}, signal.SIG_IGN)\n"
        "from pathlib import Path\n"
        "from tools import setup_environment as s\n"
        "def begin(setup):\n"
        "    setup.background.begin(\n"
        "        setup.commands, 'other', lambda beside: beside.run(['sleep', '60'], 'stopped')\n"
        "    )\n"
        "    return 'begun'\n"
        # In short pieces: a signal just before the system's call does not end a sleep.
        "def wait(setup):\n"
        "    while True:\n"
        "        time.sleep(0.1)\n"
        "s.STEPS = (('jars', 'long', begin), ('waiting', 'long', wait))\n"
        f"sys.exit(s.main(Path('{root}')))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "waiting" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "set-up interrupted; the next call continues\n"
    assert not (root / STAMP).exists()


def test_a_second_set_up_waits_for_the_first(root):
    script = (
        "from pathlib import Path\n"
        "from tools.setup_environment import alone_in\n"
        f"with alone_in(Path('{root}')):\n"
        "    print('in', flush=True)\n"
    )
    with alone_in(root):
        process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert "waiting for its end" in process.stdout.readline()
        time.sleep(0.2)
        assert process.poll() is None
    out, _ = process.communicate(timeout=20)
    assert out == "in\n"


def test_the_stamp_names_what_the_environment_stands_on(root, setup):
    write_stamp(setup)
    needs = json.loads((root / STAMP).read_text())["needs"]
    assert str(root / "jars" / "delta.jar") in needs
    assert all(Path(path).exists() for path in needs)


def test_another_python_is_told_how_to_name_the_right_one(setup, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(sys, "version", "3.12.1 (main)")
    with pytest.raises(SetupError, match=r"want Python 3\.11 .* this is 3\.12\.1.*make PYTHON="):
        check_python(setup)


def test_a_python_without_venv_is_told_the_package(setup, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"venv is missing.*apt-get install python3\.11-venv"):
        check_python(setup)


def test_without_java_who_may_not_install_is_told_the_command(setup, monkeypatch):
    def none() -> Path:
        raise InputError("Spark 4.0 wants Java 17 or 21; no Java was found. Install one (...)")

    monkeypatch.setattr(setup_environment, "find_java", none)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match="no Java was found"):
        provide_java(setup)
