import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devise_lib.errors import InputError
from devise_lib.spark.job.locks import only_run, unless_running

HOLDER = """
import sys
from pathlib import Path
from devise_lib.spark.job.locks import only_run
with only_run(sys.argv[1], "some_job"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_told_who_runs_and_a_killed_one_leaves_no_lock(tmp_path):
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        message = rf"some_job is running .* process {holder.pid}, since 20\d\d-.* UTC\): wait for"
        with pytest.raises(InputError, match=message), only_run(str(tmp_path), "some_job"):
            pass
        with only_run(str(tmp_path), "other_job"):
            pass
        with unless_running(str(tmp_path), "some_job") as is_free:
            assert not is_free
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with unless_running(str(tmp_path), "some_job") as is_free:
            assert is_free
            said = (tmp_path / "checkpoints/some_job.lock").read_text()
            assert f"process {os.getpid()}," in said
            assert str(holder.pid) not in said


def test_the_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyError), only_run(str(tmp_path), "some_job"):
        raise KeyError
    with pytest.raises(InputError), unless_running(str(tmp_path), "some_job"):
        raise InputError("of the body")
    with only_run(str(tmp_path), "some_job"):
        pass


@pytest.mark.parametrize(
    ("owner", "name", "code"),
    [
        (fcntl, "flock", errno.ENOLCK),
        (fcntl, "flock", errno.ENOSYS),  # filelock's own answer would be a lock that is only a file
        (Path, "open", errno.ENOTSUP),
    ],
)
def test_a_file_system_without_locks_is_told_once_and_does_no_harm(
    tmp_path, monkeypatch, capsys, owner, name, code
):
    def refuse(*_, **__):
        raise OSError(code, "not here")

    monkeypatch.setattr(owner, name, refuse)
    with only_run(str(tmp_path), "some_job"):
        pass
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "without locks" in said
