"""Commands of the set-up: what they print, how they fail, how they are stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.commands import Commands, SetupError, apt_install, clean_environment, explain

ROOT = Path(__file__).parents[2]


@pytest.fixture
def commands(tmp_path) -> Commands:
    return Commands(tmp_path / "env" / "setup.log")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError('Cannot "
            "connect to proxy.', OSError('Tunnel connection failed: 403 Forbidden'))'\n"
            "ERROR: No matching distribution found for six",
            "proxy did not let it through",
        ),
        ("  cause: tunnel error: proxy authorization required", "proxy did not let it through"),
        (
            "after connection broken by 'NewConnectionError('Failed to establish a new "
            "connection: [Errno -2] Name or service not known')'",
            "network",
        ),
        (
            "  cause: error sending request for url\n  cause: dns error\n"
            "  cause: failed to lookup address information",
            "network",
        ),
        (
            ":::: ERRORS\n\tServer access error (java.net.ConnectException: Connection refused)\n"
            "unresolved dependency: io.delta#delta-spark_2.13;4.0.1: not found",
            "network",
        ),
        (
            "  cause: error sending request\n  cause: invalid peer certificate: UnknownIssuer",
            "certificate is not trusted",
        ),
        ("hint: An index returned a 403 Forbidden error.", "server refused"),
        ("ERROR: No matching distribution found for six==99.1", "not offered"),
        ("E: Unable to locate package openjdk-99-jre", "not offered"),
        ("unresolved dependency: io.delta#delta-spark_2.13;9.9.9: not found", "not offered"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("error: failed to copy file\n  cause: No space left on device (os error 28)", "disk"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "memory is used up"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend", "another apt-get"),
        ("error: failed to create file: Permission denied (os error 13)", "cannot be written"),
    ],
)
def test_says_what_an_output_means(output, words):
    assert words in explain(f"Collecting packages\n{output}\n")


def test_has_nothing_to_say_of_an_output_without_a_known_fault():
    assert explain("Collecting six\nSuccessfully installed six-1.17.0\n") is None


def test_returns_what_a_command_printed_and_logs_it_with_the_command(commands):
    commands.run(["echo", "before"], "no echo")
    output = commands.run(["sh", "-c", "echo out; echo err >&2"], "no sh")
    assert output.split() == ["out", "err"]
    log = commands.log_path.read_text()
    assert "$ echo before\nbefore\n" in log
    assert "$ sh -c echo out; echo err >&2\nout\nerr\n" in log


def test_a_failure_is_one_line_with_purpose_reason_and_log(commands):
    with pytest.raises(SetupError) as caught:
        commands.run(
            ["sh", "-c", "echo 'No space left on device'; exit 2"],
            "the packages were not installed",
        )
    message = str(caught.value)
    assert message.startswith("the packages were not installed: the disk is full")
    assert message.endswith(str(commands.log_path))
    assert "\n" not in message


def test_an_unknown_failure_names_the_program_and_its_status(commands):
    with pytest.raises(SetupError, match="no luck: sh ended with status 7"):
        commands.run(["sh", "-c", "exit 7"], "no luck")


def test_only_the_failing_commands_own_output_is_explained(commands):
    commands.run(["echo", "No space left on device"], "no echo")
    with pytest.raises(SetupError, match="false ended with status 1"):
        commands.run(["false"], "failed")


def test_names_a_program_that_is_not_there(commands, tmp_path):
    with pytest.raises(SetupError, match=r"gone cannot be run: No such file"):
        commands.run([tmp_path / "gone"], "failed")


def test_variables_that_lead_astray_do_not_reach_a_command(commands, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-j1 --jobserver-auth=3,4")
    monkeypatch.setenv("SPARK_HOME", "/opt/another-spark")
    output = commands.run(["env"], "no env", {"DEVISE_EXTRA": "1"})
    assert "DEVISE_EXTRA=1" in output.splitlines()
    assert not {"MAKEFLAGS", "SPARK_HOME"} & {line.split("=")[0] for line in output.splitlines()}


def test_what_is_given_for_one_command_wins_over_what_leads_astray(commands, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-k")
    assert "MAKEFLAGS=-j3" in commands.run(["env"], "no env", {"MAKEFLAGS": "-j3"}).splitlines()


def test_clean_environment_keeps_the_rest():
    environ = {"PATH": "/bin", "PYTHONPATH": "/elsewhere", "HTTPS_PROXY": "proxy:3128"}
    assert clean_environment(environ) == {"PATH": "/bin", "HTTPS_PROXY": "proxy:3128"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_is_stopped_with_its_children(tmp_path, number):
    """What `tools.setup_environment` does when it is told to stop, with a child of a child."""
    alive = tmp_path / "alive"
    script = (
        "import signal\n"
        "from pathlib import Path\n"
        "from tools.commands import Commands\n"
        "for number in (signal.SIGTERM, signal.SIGINT):\n"
        "    signal.signal(number, signal.default_int_handler)\n"
        f"Commands(Path('{tmp_path}/log')).run(\n"
        f"    ['sh', '-c', '(while :; do touch {alive}; sleep 0.05; done) & wait'], 'failed')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(alive.exists)
    process.send_signal(number)
    process.wait(timeout=20)
    alive.unlink()
    time.sleep(0.5)
    assert not alive.exists()


def wait_until(condition, timeout_s=20):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_command_holds_the_descriptors_that_the_set_up_holds(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        commands = Commands(tmp_path / "log", held=(descriptor,))
        output = commands.run(["readlink", f"/proc/self/fd/{descriptor}"], "not held")
        assert output.strip() == str(tmp_path)
    finally:
        os.close(descriptor)


@pytest.fixture
def fake_system(tmp_path, monkeypatch) -> Path:
    """A PATH with only dpkg and apt-get of our own; apt-get's script is the test's to write."""
    folder = tmp_path / "bin"
    folder.mkdir()
    write_program(folder / "dpkg", "exit 0")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def write_program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_apt_takes_the_first_package_that_is_offered(commands, fake_system):
    write_program(
        fake_system / "apt-get",
        '[ "$1" = update ] && exit 0\n'
        'case "$*" in *jre-17*) echo "E: Unable to locate package jre-17"; exit 100;; esac\n'
        f'echo "$*" > {fake_system}/installed',
    )
    apt_install(commands, ["jre-17", "jre-21", "jre-25"], "Java")
    assert (fake_system / "installed").read_text().split()[-1] == "jre-21"


def test_apt_without_network_says_network_not_that_the_package_is_unknown(commands, fake_system):
    write_program(
        fake_system / "apt-get",
        '[ "$1" = update ] && { echo "W: Temporary failure resolving host"; exit 0; }\n'
        'echo "E: Unable to locate package g++"; exit 100',
    )
    with pytest.raises(SetupError, match=r"g\+\+ is missing .*sudo apt-get install.*the network"):
        apt_install(commands, ["g++"], "g++")


def test_who_may_not_install_is_told_the_command(commands, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"^g\+\+ is missing.*: sudo apt-get install g\+\+$"):
        apt_install(commands, ["g++"], "g++")
    assert not commands.log_path.exists()
