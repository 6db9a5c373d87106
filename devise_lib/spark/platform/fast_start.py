"""What the set-up prepares so that a local session starts fast, and how a session takes it.

The set-up puts Delta's jars beside Spark's own, and keeps an archive of the classes that jobs load.
Java takes such an archive only where the class path is the same as when it was made, and holds no
folder with files in it. Spark puts its folder of settings there, so sessions get an empty one.

The set-up imports this module before anything is installed: standard library only.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What the set-up itself writes into Spark's folder of settings.
OF_THE_SET_UP = {"spark-defaults.conf", "spark-env.sh"}
# Java prefers no archive to one that does not fit. It would say so on standard output.
USE_ARCHIVE = "-Xshare:auto -Xlog:cds*=off"
JAVA_OPTIONS = "spark.driver.defaultJavaOptions"  # stands before spark.driver.extraJavaOptions


@dataclass(frozen=True)
class FastStart:
    """What the set-up has prepared in one environment.

    Attributes:
        venv: the environment's folder, `sys.prefix` of the Python that runs there.
        spark_home: the environment's own Spark.
    """

    venv: Path
    spark_home: Path

    @property
    def conf(self) -> Path:
        """An empty folder, which takes the place of Spark's folder of settings."""
        return self.venv / "spark-start" / "conf"

    @property
    def archive(self) -> Path:
        """Java's archive of classes."""
        return self.venv / "spark-start" / "classes.jsa"

    def has_delta(self) -> bool:
        """Whether Delta's jars lie beside Spark's own, so that a session resolves no packages."""
        return any((self.spark_home / "jars").glob("delta-spark_*.jar"))

    def fits(self, environ: Mapping[str, str]) -> bool:
        """Whether a local session may do without Spark's folder of settings.

        It may not where the user has settings of his own: another folder, or more files than
        those that the set-up wrote.
        """
        if "SPARK_CONF_DIR" in environ or not self.conf.is_dir() or not self.has_delta():
            return False
        conf = self.spark_home / "conf"
        return not conf.is_dir() or {path.name for path in conf.iterdir()} <= OF_THE_SET_UP

    def settings(self, given: Mapping[str, str]) -> dict[str, str]:
        """`given` with what a session needs without Spark's folder of settings.

        Args:
            given: Spark's settings of the session. They win over those of spark-defaults.conf.
        """
        settings = {**read_settings(self.spark_home / "conf" / "spark-defaults.conf"), **given}
        if self.archive.is_file():
            ours = f'{USE_ARCHIVE} "-XX:SharedArchiveFile={self.archive}"'
            settings[JAVA_OPTIONS] = f"{ours} {settings.get(JAVA_OPTIONS, '')}".strip()
        return settings


def read_settings(path: Path) -> dict[str, str]:
    """The settings of a file such as spark-defaults.conf; none where there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = [re.split(r"\s*[=:\s]\s*", line.strip(), maxsplit=1) for line in lines]
    return {
        pair[0]: pair[1] for pair in pairs if len(pair) == 2 and not pair[0].startswith(("#", "!"))
    }


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for what is started inside; afterwards they are as they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                del os.environ[name]
            else:
                os.environ[name] = old
