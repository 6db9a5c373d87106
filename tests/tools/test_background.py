"""Work of the set-up beside its steps: its result, its log, its failure and its end."""

import time

import pytest

from tools.background import Background
from tools.commands import Commands, SetupError


@pytest.fixture
def commands(tmp_path) -> Commands:
    return Commands(tmp_path / "setup.log")


@pytest.fixture
def background():
    made = Background()
    yield made
    made.stop()


def test_the_result_comes_at_the_end_and_the_log_follows_that_of_the_steps(commands, background):
    background.begin(commands, "jars", lambda beside: beside.run(["echo", "beside"], "failed"))
    commands.run(["echo", "step"], "failed")
    assert background.finish(commands) == "beside\n"
    log = commands.log_path.read_text()
    assert log == "\n$ echo step\nstep\n\n$ echo beside\nbeside\n"
    assert [path.name for path in commands.log_path.parent.iterdir()] == ["setup.log"]


def test_a_failure_is_told_where_the_end_is_waited_for(commands, background):
    background.begin(commands, "jars", lambda beside: beside.run(["false"], "no jars"))
    with pytest.raises(SetupError, match=r"no jars: false ended with status 1.*setup-jars\.log"):
        background.finish(commands)


def test_stop_ends_the_command_that_runs_and_starts_no_other(commands, background):
    tried = []

    def work(beside: Commands) -> str:
        for words in (["sleep", "60"], ["true"]):
            try:
                beside.run(words, "stopped")
            except SetupError as error:
                tried.append(str(error))
        return ""

    background.begin(commands, "jars", work)
    while not background._commands._running:
        time.sleep(0.01)
    started = time.monotonic()
    background.stop()
    assert time.monotonic() - started < 10
    assert "sleep ended with status -15" in tried[0]
    assert "true was not started" in tried[1]


def test_nothing_can_be_finished_that_was_not_begun(commands, background):
    with pytest.raises(SetupError, match="nothing was begun"):
        background.finish(commands)
