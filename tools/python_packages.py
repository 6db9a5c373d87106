"""Steps of the set-up that install the packages of the lock, Horovod and this project into
`.venv`.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.commands import SetupError, Words, clean_environment
from tools.environment import SetUp, is_environment
from tools.horovod_wheel import find_wheel

FREE_BYTES = 6 * 10**9  # the environment and Horovod's build; uv's cache is on another disk
# uv does not read pip's settings, in which a mirror is usually named. Per setting of pip: the
# variable of uv, and uv's separator between several values.
UV_FROM_PIP = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
}
CHECK_IMPORTS = (
    "import datasketch, delta, faiss, gensim, mlflow, petastorm, pyspark, tensorflow\n"
    "import horovod.tensorflow as hvd\n"
    "hvd.init()\n"
    "assert hvd.size() == 1\n"
)


def install_packages(setup: SetUp) -> str:
    """Step: installs every package of the lock into `.venv`, except Horovod."""
    if setup.changing.exists() or not is_environment(setup.venv):
        make_environment(setup)
    setup.changing.touch()
    pip: Words = [setup.python, "-m", "pip"]
    uv_pin = f"uv=={setup.pins['uv']}"
    setup.commands.run([*pip, "install", "--quiet", uv_pin], f"{uv_pin} was not installed")
    wanted = setup.venv / "requirements-without-horovod.txt"
    lock = (setup.root / "requirements.lock").read_text()
    wanted.write_text(re.sub(r"^horovod==.*$", "", lock, flags=re.MULTILINE))
    uv_install(setup, ["--requirements", wanted], "the packages were not installed")
    setup.changing.unlink()
    return f"{len(setup.pins) - 1} packages"


def make_environment(setup: SetUp) -> None:
    """Makes an empty `.venv`; keeps only the set-up's own log and mark of what was there."""
    require_space(setup.root)
    setup.venv.mkdir(exist_ok=True)
    setup.changing.touch()
    for path in setup.venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path not in {setup.changing, setup.commands.log_path}:
            path.unlink()
    make: Words = [base_python(), "-m", "venv", setup.venv]
    setup.commands.run(make, "the virtual environment was not made")


def base_python() -> Path:
    """Returns the Python outside of any environment, also if an environment's Python is running."""
    inside = sys.prefix != sys.base_prefix
    return Path(sys.base_prefix, "bin", "python3.11") if inside else Path(sys.executable)


def require_space(folder: Path) -> None:
    """Checks that the disk has enough space.

    Raises:
        SetupError: less than FREE_BYTES are free.
    """
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise SetupError(
            f"want {FREE_BYTES / 1e9:.0f} GB free on the disk of {folder}, found {free / 1e9:.1f} "
            "GB: free some, or move the sources to a larger disk"
        )


def uv_install(setup: SetUp, arguments: Words, failed: str) -> None:
    """Installs exactly the named packages into `.venv`, from the sources that pip would use."""
    uv: Words = [setup.venv / "bin" / "uv", "pip", "install", "--python", setup.python]
    setup.commands.run(
        [*uv, "--no-deps", "--no-progress", *arguments],
        failed,
        uv_variables(pip_config(setup.python), os.environ),
    )


def pip_config(python: Path) -> str:
    """Returns what `pip config list` prints; not logged, because an index URL may hold a
    password.
    """
    command: Words = [python, "-m", "pip", "config", "list"]
    environ = clean_environment(os.environ)
    return subprocess.run(command, env=environ, capture_output=True, text=True).stdout


def uv_variables(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings of pip that uv needs, too, as uv's environment variables.

    Args:
        pip_config: the output of `pip config list`; its lines for the environment take precedence.
        environ: variables in here are the user's own and stay unchanged.
    """
    found = {"UV_HTTP_TIMEOUT": "180"}
    for line in sorted(pip_config.splitlines(), key=lambda line: line.startswith(":env:")):
        name, equals, value = line.partition("=")
        setting = name.rpartition(".")[2]
        if equals and setting in UV_FROM_PIP:
            variable, between = UV_FROM_PIP[setting]
            found[variable] = between.join(str(ast.literal_eval(value)).split())
    return {name: value for name, value in found.items() if name not in environ}


def compile_packages(setup: SetUp) -> str:
    """Step: compiles the packages' bytecode.

    Where Python cannot write bytecode, every process would compile TensorFlow and Keras again, and
    Spark starts many. Examples are PYTHONDONTWRITEBYTECODE, as in many containers, and read-only
    folders.
    """
    # Files that cannot be compiled, such as templates, are skipped. The packages' own tests and pip
    # are a fifth of all files, and no job imports them. TensorFlow's folder `test` is part of its
    # interface. mypy is machine code.
    program = (
        "import compileall, re, sys\n"
        "below = re.escape(sys.argv[1]) + '/(?!tensorflow/_api/)'\n"
        "unused = re.compile(below + '((pip|mypy|mypyc)/|(.*/)?tests?/)')\n"
        "compileall.compile_dir(sys.argv[1], quiet=1, workers=0, rx=unused)"
    )
    words: Words = [setup.python, "-c", program, setup.packages]
    setup.commands.run(words, "the packages were not compiled")
    return str(setup.packages)


def install_project(setup: SetUp) -> str:
    """Step: installs Horovod and this project into `.venv`."""
    wheel = find_wheel(setup.horovod_folder)
    if wheel is None:
        raise SetupError(f"{setup.horovod_folder} was emptied meanwhile: call again")
    setup.changing.touch()
    uv_install(setup, ["--reinstall", wheel], "Horovod was not installed")
    editable: Words = ["--no-build-isolation", "--editable", setup.root]
    uv_install(setup, editable, "this project was not installed")
    setup.changing.unlink()
    return wheel.name


def check_packages(setup: SetUp) -> str:
    """Step: checks that all packages load."""
    setup.commands.run(
        [setup.python, "-c", CHECK_IMPORTS],
        f"the packages do not load; if it is Horovod, delete {setup.horovod_folder} and call again",
        {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return "all of them load"
