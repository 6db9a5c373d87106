import subprocess
import sys
from pathlib import Path

import pytest

from devise_lib.command_line import check_command_line, exit_on_input_error, find_input_error
from devise_lib.config.photos import EmbedPhotos
from devise_lib.config.reporting import Evaluate
from devise_lib.config.sample import MakeSample
from devise_lib.errors import ConfigError, InputError, SchemaError

ROOT = Path(__file__).parents[1]
JOBS = sorted(path.name for path in (ROOT / "jobs").glob("*.py"))
HEAVY = ("pyspark", "mlflow", "tensorflow", "keras", "numpy", "pandas", "pyarrow")


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
HANDLED = "During handling of the above exception, another exception occurred:"
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
        (RuntimeError(WORKER), "a.tar cannot be read; give a whole one"),
        (raised_from(RuntimeError(WORKER), ValueError("x")), "a.tar cannot be read; give a whole"),
        (RuntimeError(f"KeyError: 'x'\n\n{HANDLED}\n\n{WORKER}"), "a.tar cannot be read; give a"),
        (RuntimeError("devise_lib.text.wikipedia.damage.DumpDamagedError: a hole"), "a hole"),
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
        raised_while(OWN, KeyError("a bug of the clean-up")),
        raised_from(raised_while(OWN, KeyError("a bug of the clean-up")), RuntimeError("stage")),
        RuntimeError(f"{WORKER}\n{HANDLED}\n\nTraceback\nKeyError: 'a bug'"),
        RuntimeError("devise_lib.vision.archives.tar_photos.ArchiveError: not one of the user's"),
        RuntimeError("devise_lib.no_such.InputError: x"),
    ],
)
def test_a_fault_of_ours_is_none(error):
    """A bug is never told as the user's mistake, whatever was handled when it happened."""
    assert find_input_error(error) is None


@pytest.mark.parametrize(
    ("error", "status"), [(ConfigError("two\nfaults"), 2), (InputError("no photo"), 1)]
)
def test_a_mistake_ends_the_program_with_its_message_and_a_status(error, status, capsys):
    with pytest.raises(SystemExit) as left, exit_on_input_error("some_job"):
        raise error
    assert left.value.code == status
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"some_job: {error}\n")


def test_other_errors_keep_their_stack_trace():
    for error in (KeyError("ours"), KeyboardInterrupt()):
        with pytest.raises(type(error)), exit_on_input_error("some_job"):
            raise error


def refused(config_type, capsys, *words: str) -> str:
    """What a command line that cannot be used is answered with."""
    with pytest.raises(SystemExit) as left:
        check_command_line(config_type, words)
    assert left.value.code == 2
    return capsys.readouterr().err


def test_every_fault_of_a_configuration_is_told_and_nothing_is_made(tmp_path, capsys):
    path = tmp_path / "c.toml"
    path.write_text(f"work_dir = '{tmp_path}/w'\n[evaluate]\nkk = 3\n")
    said = refused(Evaluate, capsys, "--config", str(path), "--set", "seed=-1")
    assert said.startswith("evaluate: ")
    assert "evaluate.kk: unknown key, did you mean 'k'?" in said
    assert "seed is -1" in said
    assert not (tmp_path / "w").exists()


def test_a_job_that_the_file_does_not_ask_for_is_told(tmp_path, capsys):
    path = tmp_path / "c.toml"
    path.write_text("")
    said = refused(MakeSample, capsys, "--config", str(path))
    assert "has no table [make_sample]: add it" in said


def test_classes_to_try_again_are_words_of_the_command(tmp_path, capsys):
    path = tmp_path / "c.toml"
    path.write_text(f"work_dir = '{tmp_path}/w'\n")

    def retried(*words: str) -> tuple[str, ...]:
        settings = check_command_line(EmbedPhotos, ["--config", str(path), *words])
        return settings.jobs["embed_photos"].retry

    words = ("--retry", "time_out", "--retry", "missing_file")
    assert retried(*words) == ("time_out", "missing_file")
    assert retried() == ()
    said = refused(EmbedPhotos, capsys, "--config", str(path), "--retry", "timeout")
    assert "invalid choice: 'timeout' (choose from 'empty', " in said


PROGRAM = """
import runpy, sys
try:
    runpy.run_path(sys.argv.pop(1), run_name="__main__")
except SystemExit as left:
    print(left.code, [name for name in HEAVY if name in sys.modules])
"""


@pytest.mark.parametrize("job", [*JOBS, "../devise_lib/pipeline.py"])
@pytest.mark.parametrize(
    ("words", "status"), [(["--help"], 0), (["--config", "conf/local.toml", "--set", "x=1"], 2)]
)
def test_help_and_faults_are_answered_before_anything_heavy_is_imported(job, words, status):
    """The words of a job's command line are checked before the imports that take seconds."""
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY}{PROGRAM}", f"jobs/{job}", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == f"{status} []"
    assert ("usage: " if status == 0 else "x: unknown key") in done.stdout + done.stderr
