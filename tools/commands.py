"""Commands of the set-up: their output goes to a log, and their failure becomes one line."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Words = Sequence[str | Path]  # a command, or its arguments
STILL_WORKING_S = 60  # a line this often shows that a long step still works
STOP_S = 10  # time for a command to stop after a signal

NOT_OFFERED = "the package is not offered where it was looked for, or not for this machine"
FAULTS = (  # a pattern of a command's output -> what it means and what to do; the first one counts
    (
        r"No space left on device|Errno 28|os error 28|Disk quota exceeded",
        "the disk is full: free some space",
    ),
    (
        r"Killed signal terminated program|virtual memory exhausted|Cannot allocate memory",
        "the memory is used up: close other programs, or use a machine with 4 GB or more",
    ),
    (
        r"Tunnel connection failed|ProxyError|Proxy Authentication Required"
        r"|Unable to tunnel|unsuccessful tunnel|tunnel error",
        "the proxy did not let it through: look at HTTPS_PROXY, and at what the proxy allows",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|PKIX path",
        "the server's certificate is not trusted: name your certificates in PIP_CERT "
        "(for Java: import them into its trust store)",
    ),
    (
        r"Temporary failure in name resolution|Temporary failure resolving|Name or service not"
        r"|dns error|failed to lookup address|UnknownHostException|Network is unreachable"
        r"|Could not resolve|Connection refused|Connection reset|Connection timed out"
        r"|ConnectTimeoutError|Read timed out|operation timed out|error sending request"
        r"|NewConnectionError|Failed to connect|Could not connect|Unable to connect",
        "the network, or the server behind it, cannot be reached: check the connection "
        "(and HTTPS_PROXY, if there is a proxy)",
    ),
    (
        r"403 +Forbidden|403 Client Error|401 +Unauthorized",
        "the server refused (403 or 401): look at the package index and proxy that pip is set to",
    ),
    (
        r"UNRESOLVED DEPENDENCIES|unresolved dependency|No matching distribution|No solution found"
        r"|was not found in the package registry|has no wheels with a matching"
        r"|Unable to locate package|has no installation candidate",
        NOT_OFFERED,
    ),
    (
        r"No CMAKE_CXX_COMPILER could be found|command 'g\+\+' failed|g\+\+: not found",
        "there is no C++ compiler: sudo apt-get install g++",
    ),
    (r"Could not get lock|Unable to acquire the dpkg", "another apt-get runs: wait for its end"),
    (r"Permission denied|Errno 13", "a file or folder cannot be written: look at its owner"),
)

# Variables that select other packages or another Spark than ours, or that `make` sets.
MISLEADING = {
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"),
    *("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"),
    *("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"),
    *("MAKEFLAGS", "MFLAGS", "MAKELEVEL"),
}


class SetupError(Exception):
    """The set-up cannot continue; the message is one line: what is missing and what to do."""


def explain(output: str) -> str | None:
    """Returns a line with the cause and its remedy, by a command's output; None for an unknown
    cause.
    """
    for pattern, meaning in FAULTS:
        if re.search(pattern, output, re.IGNORECASE):
            return meaning
    return None


@dataclass(frozen=True)
class Commands:
    """Runs commands for the set-up.

    Attributes:
        log_path: the file to which the output of every command is appended.
        held: file descriptors that commands keep open, so that they hold a lock as well. If the
            set-up is killed, the next one waits until the last command has ended.
        says_that_it_works: whether a long command prints a line now and then.
    """

    log_path: Path
    held: tuple[int, ...] = ()
    says_that_it_works: bool = True
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, command: Words, purpose: str, extra: Mapping[str, str] | None = None) -> str:
        """Runs `command` to its end; stops it if this process is interrupted.

        Args:
            command: the program and its arguments.
            purpose: what has failed if it fails, for the message: "uv was not installed".
            extra: environment variables of the command in addition to those of this process.

        Returns:
            The output of both streams.

        Raises:
            SetupError: it failed, or does not exist.
        """
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in command]
        with self.log_path.open("a+b") as log:
            log.write(f"\n$ {' '.join(words)}\n".encode())
            log.flush()
            start = log.tell()
            environ = {**clean_environment(os.environ), **(extra or {})}
            status = self._wait(words, log.fileno(), environ)
            log.seek(start)
            output = log.read().decode(errors="replace")
        if status != 0:
            reason = explain(output) or f"{Path(words[0]).name} ended with status {status}"
            raise SetupError(f"{purpose}: {reason}. The whole output is in {self.log_path}")
        return output

    def stop(self) -> None:
        """Stops the running command, from another thread, and refuses every later one."""
        self._stopped.set()
        for process in tuple(self._running):
            _stop(process)

    def add(self, log_path: Path) -> None:
        """Moves the contents of another log to the end of this one."""
        if log_path.exists():
            with self.log_path.open("ab") as log:
                log.write(log_path.read_bytes())
            log_path.unlink()

    def _wait(self, words: list[str], log: int, environ: dict[str, str]) -> int:
        if self._stopped.is_set():
            raise SetupError(f"{Path(words[0]).name} was not started, because the set-up stops")
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environ,
                pass_fds=self.held,
                start_new_session=True,  # its own process group, to be stopped with its children
            )
        except OSError as error:
            raise SetupError(f"{words[0]} cannot be run: {error.strerror}") from None
        started = time.monotonic()
        self._running.append(process)
        try:
            if self._stopped.is_set():  # `stop` was called before it could see this process
                _stop(process)
            while True:
                try:
                    return process.wait(timeout=STILL_WORKING_S)
                except subprocess.TimeoutExpired:
                    if self.says_that_it_works:
                        passed = time.monotonic() - started
                        print(f"      still working, {passed:.0f} s", flush=True)
        except BaseException:  # Ctrl-C and SIGTERM too
            _stop(process)
            raise
        finally:
            self._running.remove(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=STOP_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns `environ` without the variables that would mislead a command of the set-up."""
    return {name: value for name, value in environ.items() if name not in MISLEADING}


def apt_install(commands: Commands, packages: Sequence[str], what: str) -> None:
    """Installs `what` with apt-get: the first of `packages` that this system offers.

    Raises:
        SetupError: this user may not install, there is no apt-get, or it failed; names the command.
    """
    by_hand = f"sudo apt-get install {packages[0]}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(f"{what} is missing. Install it, then call again: {by_hand}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    failed = f"{what} is missing and was not installed ({by_hand})"
    commands.run(["dpkg", "--configure", "-a"], failed, quiet)  # repairs what a killed apt-get left
    updated = commands.run(["apt-get", "update"], failed, quiet)
    # Slim images lack this folder, without which Java's installation fails to link its pages.
    Path("/usr/share/man/man1").mkdir(parents=True, exist_ok=True)
    install: Words = ["apt-get", "install", "-y", "--no-install-recommends"]
    for package in packages:
        try:
            commands.run([*install, package], failed, quiet)
            return
        except SetupError as error:
            if fault := explain(updated):  # without network apt-get update only warns
                raise SetupError(f"{failed}: {fault}") from None
            if NOT_OFFERED not in str(error) or package == packages[-1]:
                raise
