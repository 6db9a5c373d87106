"""The environment that the set-up makes: the paths of its parts, and their pinned versions."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devise_lib.spark.platform.fast_start import FastStart
from tools.background import Background
from tools.commands import Commands
from tools.horovod_wheel import cache_folder, wheel_key


@dataclass(frozen=True)
class SetUp:
    """A set-up of the sources in `root`.

    Attributes:
        root: the folder of the sources; the environment is its `.venv`.
        commands: runs and logs commands.
        pins: requirements.lock as {package: version}.
        background: work in parallel to the steps.
    """

    root: Path
    commands: Commands
    pins: Mapping[str, str]
    background: Background = field(default_factory=Background)

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def packages(self) -> Path:
        return self.venv / "lib" / "python3.11" / "site-packages"

    @property
    def spark_home(self) -> Path:
        return self.packages / "pyspark"

    @property
    def fast_start(self) -> FastStart:
        return FastStart(self.venv, self.spark_home)

    @property
    def added_jars(self) -> Path:
        """The file that lists the jars which the set-up has put beside Spark's own."""
        return self.venv / "delta-jars.txt"

    @property
    def changing(self) -> Path:
        """A file that exists during changes of packages; left over, it shows that a set-up was
        killed.
        """
        return self.venv / ".changing"

    @property
    def horovod_folder(self) -> Path:
        return cache_folder(os.environ) / wheel_key(self.pins)


def is_environment(venv: Path) -> bool:
    """Returns whether `venv` is complete, was made at this path, and its Python 3.11 still
    exists.
    """
    config_path = venv / "pyvenv.cfg"
    has_pip = (venv / "lib" / "python3.11" / "site-packages" / "pip").is_dir()
    if not (config_path.exists() and has_pip and (venv / "bin" / "python").exists()):
        return False
    config = dict(re.findall(r"^(\w+) = (.*)$", config_path.read_text(), re.MULTILINE))
    made_here = config.get("command", "").endswith(f" {venv}")  # scripts hold the path
    return config.get("version", "").startswith("3.11.") and made_here


def read_pins(lock: str) -> dict[str, str]:
    """Returns the packages of a lock file, {name: version}."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))


def replace_file(path: Path, text: str) -> None:
    """Writes `text` to `path` atomically: readers see the whole old file or the whole new one."""
    arriving = path.with_name(f".{path.name}.{os.getpid()}")
    arriving.write_text(text)
    os.replace(arriving, path)
