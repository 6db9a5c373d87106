"""Makes `.venv`, in which the whole project runs: `python3.11 -m tools.setup_environment`.

It needs the standard library only. Each step says what it does and what it costs. A completed step
takes seconds, and a call after all steps are complete returns at once. The set-up may be stopped at
any moment, and the next call continues.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from devise_lib.errors import InputError
from devise_lib.spark.platform.find_java import find_java
from tools.commands import Commands, SetupError, apt_install
from tools.environment import SetUp, read_pins, replace_file
from tools.horovod_wheel import build_wheel, find_wheel
from tools.python_packages import (
    base_python,
    check_packages,
    compile_packages,
    install_packages,
    install_project,
)
from tools.spark_settings import configure_spark
from tools.spark_start import begin_spark, finish_spark

ROOT = Path(__file__).resolve().parents[1]
STAMP = ".venv/setup-stamp.json"
# A change of one of these files or of tools/*.py makes the set-up run again.
INPUTS = (
    *("requirements.lock", "setup.py", "conf/spark-defaults.conf"),
    *("devise_lib/spark/platform/find_java.py", "devise_lib/spark/platform/fast_start.py"),
)


def check_python(setup: SetUp) -> str:
    """Step: checks that the running Python can make environments."""
    if sys.version_info[:2] != (3, 11) or sys.platform != "linux":
        raise SetupError(
            f"want Python 3.11 on Linux, this is {sys.version.split()[0]} on {sys.platform}: "
            "call `make PYTHON=/path/to/python3.11`"
        )
    if importlib.util.find_spec("ensurepip") is None:  # Debian has a separate package for it
        apt_install(setup.commands, ["python3.11-venv"], "Python's venv")
    return f"{base_python()}, {sys.version.split()[0]}"


def provide_java(setup: SetUp) -> str:
    """Step: finds or installs Java 17 or 21."""
    try:
        return str(find_java())
    except InputError as error:
        offered = ["openjdk-17-jre-headless", "openjdk-21-jre-headless"]
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise SetupError(str(error)) from None
        apt_install(setup.commands, offered, "Java 17")
        return f"{find_java()}, installed now"


def provide_horovod(setup: SetUp) -> str:
    """Step: finds the wheel of Horovod in the cache, or builds it."""
    kept = find_wheel(setup.horovod_folder)
    if kept:
        return f"from the cache, {kept.parent}"
    return str(build_wheel(setup.commands, setup.python, setup.pins, setup.horovod_folder))


STEPS: tuple[tuple[str, str, Callable[[SetUp], str]], ...] = (
    ("Python 3.11 that can make environments", "a moment", check_python),
    ("Java 17 or 21, which Spark runs on", "0.2 GB and half a minute if missing", provide_java),
    ("packages of requirements.lock into .venv", "3 GB, a minute", install_packages),
    ("settings of .venv's own Spark", "a moment", configure_spark),
    (
        "jars of Delta Lake, archive of Java's classes: begun",
        "10 MB to fetch, 0.2 GB on the disk",
        begin_spark,
    ),
    ("wheel of Horovod", "2 to 6 minutes to compile, once for this user", provide_horovod),
    ("Horovod and this project into .venv", "a moment", install_project),
    ("bytecode of the packages", "half a minute to a minute", compile_packages),
    ("all packages load", "a quarter of a minute", check_packages),
    ("jars of Delta Lake, archive of Java's classes: done", "up to half a minute", finish_spark),
)


def digest(root: Path) -> str:
    """Returns a digest of all that the environment is made from, including `root`, which it
    contains.
    """
    state = hashlib.sha256(str(root).encode())
    for path in [*(root / name for name in INPUTS), *sorted((root / "tools").glob("*.py"))]:
        state.update(b"\0" + path.read_bytes())
    return state.hexdigest()


def is_up_to_date(root: Path) -> bool:
    """Returns whether the last set-up was made from the present sources, and its results still
    exist.
    """
    try:
        stamp = json.loads((root / STAMP).read_text())
    except (OSError, ValueError):
        return False
    there = all(Path(path).exists() for path in stamp["needs"])
    return there and stamp["digest"] == digest(root)


def write_stamp(setup: SetUp) -> None:
    """Records that the set-up is complete, and the files that it depends on."""
    jars = setup.added_jars.read_text().split("\n")
    start = setup.fast_start
    needs = [setup.python, find_java() / "bin" / "java", start.conf, *filter(None, jars)]
    needs += [start.archive] if start.archive.is_file() else []  # not every Java makes one
    stamp = {"digest": digest(setup.root), "needs": [str(path) for path in needs]}
    replace_file(setup.root / STAMP, json.dumps(stamp))


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[int]:
    """Holds the lock of `root` and yields its file descriptor; waits while another set-up holds
    it.
    """
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("set-up: another one is running here; waiting for its end", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def set_up(root: Path, lock: int) -> None:
    """Does every step, and prints a line before and after it."""
    (root / STAMP).unlink(missing_ok=True)  # incomplete from here on, until the end
    pins = read_pins((root / "requirements.lock").read_text())
    setup = SetUp(root, Commands(root / ".venv" / "setup.log", held=(lock,)), pins)
    setup.commands.log_path.unlink(missing_ok=True)  # the log of the last set-up
    print(f"set-up: {len(STEPS)} steps; what they print goes to {setup.commands.log_path}")
    started = time.monotonic()
    try:
        for number, (what, cost, step) in enumerate(STEPS, start=1):
            print(f"[{number}/{len(STEPS)}] {what} ({cost})", flush=True)
            step_started = time.monotonic()
            result = step(setup)
            print(f"      {result}: {time.monotonic() - step_started:.1f} s", flush=True)
    finally:
        setup.background.stop()
    write_stamp(setup)
    print(f"set-up: done in {time.monotonic() - started:.0f} s")


def main(root: Path = ROOT) -> int:
    """Runs the set-up if it is not up to date; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        if is_up_to_date(root):
            return 0
        with alone_in(root) as lock:
            if not is_up_to_date(root):  # the set-up that we waited for may have done it
                set_up(root, lock)
    except (SetupError, InputError) as error:
        print(f"set-up stopped: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"set-up stopped: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up interrupted; the next call continues", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
