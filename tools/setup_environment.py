"""Make `.venv`, in which everything of this project runs: `python3.11 -m tools.setup_environment`.

Works with the standard library only. Each step says what it does and what it costs; a step that
is done already costs seconds, and when all are done a call returns at once. It may be stopped
at any moment: the next call goes on.
"""

import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from devise_lib.errors import InputError
from devise_lib.spark.java import find_java
from tools.commands import Commands, SetupError, apt_install
from tools.horovod_wheel import build_wheel, cache_folder, find_wheel, wheel_key

ROOT = Path(__file__).resolve().parents[1]
INPUTS = (  # a change of one of these makes the set-up run again
    "requirements.lock",
    "setup.py",
    "conf/spark-defaults.conf",
    "devise_lib/spark/java.py",
    "tools/commands.py",
    "tools/fetch_delta.py",
    "tools/horovod_wheel.py",
    "tools/setup_environment.py",
)
FREE_BYTES = 6 * 10**9  # the environment, uv's cache on another disk, and Horovod's build
UV_FROM_PIP = {  # uv does not read pip's settings, and a mirror is usually named in those
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
}
CHECK_IMPORTS = (
    "import datasketch, delta, faiss, gensim, mlflow, petastorm, pyspark, tensorflow\n"
    "import horovod.tensorflow as hvd\n"
    "hvd.init()\n"
    "assert hvd.size() == 1\n"
)
CHECK_SETTINGS = (  # one row in Delta within seconds
    "spark.ui.enabled=false",
    "spark.driver.host=localhost",
    "spark.sql.shuffle.partitions=1",
    "spark.databricks.delta.snapshotPartitions=1",
)


@dataclass(frozen=True)
class SetUp:
    """One set-up of the sources in `root`.

    Attributes:
        root: folder of the sources; the environment is its `.venv`.
        commands: runs and logs.
        pins: requirements.lock as {package: version}.
    """

    root: Path
    commands: Commands
    pins: Mapping[str, str]

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def spark_home(self) -> Path:
        return self.venv / "lib" / "python3.11" / "site-packages" / "pyspark"

    @property
    def changing(self) -> Path:
        """Exists while packages come in; one that is found tells of a set-up that was killed."""
        return self.venv / ".changing"

    @property
    def horovod_folder(self) -> Path:
        return cache_folder(os.environ) / wheel_key(self.pins)


def check_python(setup: SetUp) -> str:
    """Step: the Python that runs this can make environments."""
    if sys.version_info[:2] != (3, 11) or sys.platform != "linux":
        raise SetupError(
            f"want Python 3.11 on Linux, this is {sys.version.split()[0]} on {sys.platform}: "
            "call `make PYTHON=/path/to/python3.11`"
        )
    if importlib.util.find_spec("ensurepip") is None:  # Debian keeps it in a package of its own
        apt_install(setup.commands, ["python3.11-venv"], "Python's venv")
    return f"{base_python()}, {sys.version.split()[0]}"


def base_python() -> Path:
    """The Python itself, also where an environment's is running (ours is, if it is active)."""
    inside = sys.prefix != sys.base_prefix
    return Path(sys.base_prefix, "bin", "python3.11") if inside else Path(sys.executable)


def provide_java(setup: SetUp) -> str:
    """Step: there is a Java 17 or 21."""
    try:
        return str(find_java())
    except InputError as error:
        offered = ["openjdk-17-jre-headless", "openjdk-21-jre-headless"]
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise SetupError(str(error)) from None
        apt_install(setup.commands, offered, "Java 17")
        return f"{find_java()}, installed now"


def install_packages(setup: SetUp) -> str:
    """Step: `.venv` with every package of the lock, except Horovod."""
    if setup.changing.exists() or not is_environment(setup.venv):
        require_space(setup.root)
        setup.changing.parent.mkdir(exist_ok=True)
        setup.changing.touch()
        make_venv = [base_python(), "-m", "venv", "--clear", setup.venv]
        setup.commands.run(make_venv, "the virtual environment was not made")
    setup.changing.touch()
    pip = [setup.python, "-m", "pip"]
    uv_pin = f"uv=={setup.pins['uv']}"
    setup.commands.run([*pip, "install", "--quiet", uv_pin], f"{uv_pin} was not installed")
    wanted = setup.venv / "requirements-without-horovod.txt"
    lock = (setup.root / "requirements.lock").read_text()
    wanted.write_text(re.sub(r"^horovod==.*$", "", lock, flags=re.MULTILINE))
    uv_install(setup, ["--requirements", wanted], "the packages were not installed")
    setup.changing.unlink()
    return f"{len(setup.pins) - 1} packages"


def is_environment(venv: Path) -> bool:
    """Whether `venv` is a whole virtual environment of a Python 3.11 that is still there."""
    config = venv / "pyvenv.cfg"
    has_pip = (venv / "lib" / "python3.11" / "site-packages" / "pip").is_dir()
    works = (venv / "bin" / "python").exists() and has_pip and config.exists()
    return works and re.search(r"^version = 3\.11\.", config.read_text(), re.MULTILINE) is not None


def require_space(folder: Path) -> None:
    """Stop early where the disk is too small.

    Raises:
        SetupError: less than FREE_BYTES are free.
    """
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise SetupError(
            f"want {FREE_BYTES / 1e9:.0f} GB free on the disk of {folder}, found {free / 1e9:.1f} "
            "GB: free some, or move the sources to a larger disk"
        )


def uv_install(setup: SetUp, arguments: Sequence[str | Path], failed: str) -> None:
    """Install into `.venv` exactly what is named, from where pip would take it."""
    config = setup.commands.run([setup.python, "-m", "pip", "config", "list"], failed)
    uv = [setup.venv / "bin" / "uv", "pip", "install", "--python", setup.python]
    setup.commands.run(
        [*uv, "--no-deps", "--no-progress", *arguments], failed, uv_variables(config, os.environ)
    )


def uv_variables(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of pip that uv should have too, as uv's environment variables.

    Args:
        pip_config: what `pip config list` prints; its lines for the environment win.
        environ: a variable that is in here already is the user's own, and stays.
    """
    found = {"UV_HTTP_TIMEOUT": "180"}
    for line in sorted(pip_config.splitlines(), key=lambda line: line.startswith(":env:")):
        name, equals, value = line.partition("=")
        variable = UV_FROM_PIP.get(name.rpartition(".")[2])
        if equals and variable:
            found[variable] = " ".join(str(ast.literal_eval(value)).split())
    return {name: value for name, value in found.items() if name not in environ}


def provide_horovod(setup: SetUp) -> str:
    """Step: the wheel of Horovod is in the cache."""
    kept = find_wheel(setup.horovod_folder)
    if kept:
        return f"from the cache, {kept.parent}"
    version = setup.pins["horovod"]
    return str(build_wheel(setup.commands, setup.python, version, setup.horovod_folder))


def install_project(setup: SetUp) -> str:
    """Step: Horovod and this project are in `.venv`, and everything loads."""
    wheel = find_wheel(setup.horovod_folder)
    if wheel is None:
        raise SetupError(f"{setup.horovod_folder} was emptied meanwhile: call again")
    setup.changing.touch()
    uv_install(setup, ["--reinstall", wheel], "Horovod was not installed")
    editable = ["--no-build-isolation", "--editable", setup.root]
    uv_install(setup, editable, "this project was not installed")
    setup.changing.unlink()
    setup.commands.run(
        [setup.python, "-c", CHECK_IMPORTS],
        f"the packages do not load; if it is Horovod, delete {wheel.parent} and call again",
        {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return "all of them load"


def configure_spark(setup: SetUp) -> str:
    """Step: the environment's own Spark has our settings, its Python, and a Java that it can use.

    Files are replaced, never written into: uv links them to its cache.
    """
    defaults = (setup.root / "conf" / "spark-defaults.conf").read_text()
    conf = setup.spark_home / "conf"
    conf.mkdir(exist_ok=True)
    replace_file(
        conf / "spark-defaults.conf",
        f"{defaults}\n# The Python of this environment, on the driver and on the workers.\n"
        f"spark.pyspark.python             {setup.python}\n",
    )
    replace_file(
        conf / "spark-env.sh",
        "# Spark takes the Java that the project takes, whatever JAVA_HOME and PATH say.\n"
        f'JAVA_HOME="$("{setup.python}" -m devise_lib.spark.java)" || exit 1\n'
        "export JAVA_HOME\n",
    )
    # The original asks the python3 of the PATH, which need not be the one that has pyspark.
    replace_file(
        setup.venv / "bin" / "find-spark-home",
        '#!/usr/bin/env bash\nif [ -z "${SPARK_HOME}" ]; then\n'
        f'  export SPARK_HOME="{setup.spark_home}"\nfi\n',
    )
    (setup.venv / "bin" / "find-spark-home").chmod(0o755)
    return str(conf)


def replace_file(path: Path, text: str) -> None:
    """Put `text` at `path` at once; whoever reads sees the old file or the new one, whole."""
    arriving = path.with_name(f".{path.name}.{os.getpid()}")
    arriving.write_text(text)
    os.replace(arriving, path)


def fetch_delta(setup: SetUp) -> str:
    """Step: Delta's jars are where Spark keeps its packages, and spark-submit works with them."""
    scratch = setup.venv / "delta-check"
    shutil.rmtree(scratch, ignore_errors=True)
    submit = [setup.venv / "bin" / "spark-submit", "--master", "local[1]"]
    settings = [word for setting in CHECK_SETTINGS for word in ("--conf", setting)]
    output = setup.commands.run(
        [*submit, *settings, setup.root / "tools" / "fetch_delta.py", scratch],
        "Delta's jars were not fetched, or Spark does not work with them",
        {"SPARK_SUBMIT_OPTS": " ".join(java_proxy_options(os.environ))},
    )
    shutil.rmtree(scratch)
    jars = [line.removeprefix("jar ") for line in output.splitlines() if line.startswith("jar ")]
    replace_file(setup.venv / "delta-jars.txt", "\n".join(jars))
    return ", ".join(Path(jar).name for jar in jars)


def java_proxy_options(environ: Mapping[str, str]) -> list[str]:
    """The proxies of `environ` as Java's options; Java does not read those variables itself."""
    options = []
    for scheme in ("http", "https"):
        proxy = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if not proxy:
            continue
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        options += [f"-D{scheme}.proxyHost={parts.hostname}"]
        options += [f"-D{scheme}.proxyPort={parts.port}"] if parts.port else []
    if options and (direct := environ.get("no_proxy") or environ.get("NO_PROXY")):
        hosts = [f"*{host}" if host.startswith(".") else host for host in direct.split(",")]
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(host.strip() for host in hosts)}")
    return options


STEPS: tuple[tuple[str, str, Callable[[SetUp], str]], ...] = (
    ("Python 3.11 that can make environments", "a moment", check_python),
    ("Java 17 or 21, which Spark runs on", "0.2 GB and half a minute if missing", provide_java),
    ("packages of requirements.lock into .venv", "3 GB, a minute", install_packages),
    ("wheel of Horovod", "2 to 6 minutes to compile, once for this user", provide_horovod),
    ("Horovod and this project into .venv", "half a minute", install_project),
    ("settings of .venv's own Spark", "a moment", configure_spark),
    ("jars of Delta Lake", "10 MB and a quarter of a minute", fetch_delta),
)


def read_pins(lock: str) -> dict[str, str]:
    """The packages of a lock file, {name: version}."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))


def digest(root: Path) -> str:
    """A name for all that the environment is made from; `root` too, since it holds its path."""
    state = hashlib.sha256(str(root).encode())
    for name in INPUTS:
        state.update(b"\0" + (root / name).read_bytes())
    return state.hexdigest()


def is_up_to_date(root: Path) -> bool:
    """Whether the last set-up was made from the present sources, and what it made is there."""
    try:
        stamp = json.loads((root / ".venv" / "setup-stamp.json").read_text())
    except (OSError, ValueError):
        return False
    there = all(Path(path).exists() for path in stamp["needs"])
    return there and stamp["digest"] == digest(root)


def write_stamp(setup: SetUp) -> None:
    """Note that the set-up is complete, and which files it stands on."""
    jars = (setup.venv / "delta-jars.txt").read_text().split("\n")
    needs = [setup.python, find_java() / "bin" / "java", *filter(None, jars)]
    stamp = {"digest": digest(setup.root), "needs": [str(path) for path in needs]}
    replace_file(setup.venv / "setup-stamp.json", json.dumps(stamp))


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[int]:
    """Hold the lock of `root`, a file descriptor; waits while another set-up holds it."""
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("set-up: another one is at work here; waiting for its end", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def set_up(root: Path, lock: int) -> None:
    """Do every step, each with a line before it and a line after it."""
    pins = read_pins((root / "requirements.lock").read_text())
    setup = SetUp(root, Commands(root / ".venv" / "setup.log", held=(lock,)), pins)
    print(f"set-up: {len(STEPS)} steps; what they print goes to {setup.commands.log_path}")
    started = time.monotonic()
    for number, (what, cost, step) in enumerate(STEPS, start=1):
        print(f"[{number}/{len(STEPS)}] {what} ({cost})", flush=True)
        step_started = time.monotonic()
        result = step(setup)
        print(f"      {result}: {time.monotonic() - step_started:.1f} s", flush=True)
    write_stamp(setup)
    print(f"set-up: done in {time.monotonic() - started:.0f} s")


def main(root: Path = ROOT) -> int:
    """Set up unless it is done; the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        if is_up_to_date(root):
            return 0
        with alone_in(root) as lock:
            if not is_up_to_date(root):  # the one that we waited for may have done it
                set_up(root, lock)
    except (SetupError, InputError) as error:
        print(f"set-up stopped: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"set-up stopped: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up interrupted; the next call goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
