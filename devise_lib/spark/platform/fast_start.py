"""What the set-up prepares so that a local session starts fast, and how a session uses it.

The set-up puts Delta's jars beside Spark's own, and stores an archive of the classes that jobs
load. Java accepts such an archive only if the class path is the same as when the archive was made.
No folder on this path may hold files. Spark puts its folder of settings there, so sessions get an
empty one.

The set-up imports this module before anything is installed, so it uses the standard library only.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# The files that the set-up itself writes into Spark's folder of settings.
SET_UP_FILES = {"spark-defaults.conf", "spark-env.sh"}
# Java starts without an archive that does not fit. It would warn of that on standard output.
USE_ARCHIVE = "-Xshare:auto -Xlog:cds*=off"
JAVA_OPTIONS = "spark.driver.defaultJavaOptions"  # Spark adds spark.driver.extraJavaOptions to it.


@dataclass(frozen=True)
class FastStart:
    """The files that the set-up has prepared in one environment.

    Attributes:
        venv: the environment's folder, `sys.prefix` of the Python that runs there.
        spark_home: the environment's own Spark.
    """

    venv: Path
    spark_home: Path

    @property
    def conf(self) -> Path:
        """An empty folder, used in place of Spark's folder of settings."""
        return self.venv / "spark-start" / "conf"

    @property
    def archive(self) -> Path:
        """Java's archive of loaded classes."""
        return self.venv / "spark-start" / "classes.jsa"

    def has_delta(self) -> bool:
        """Return whether Delta's jars lie beside Spark's own; else a session resolves packages."""
        return any((self.spark_home / "jars").glob("delta-spark_*.jar"))

    def fits(self, environ: Mapping[str, str]) -> bool:
        """Return whether a local session can do without Spark's folder of settings.

        It cannot if the user has settings: another folder, or files that the set-up did not write.

        Args:
            environ: the environment variables.
        """
        if "SPARK_CONF_DIR" in environ or not self.conf.is_dir() or not self.has_delta():
            return False
        conf = self.spark_home / "conf"
        return not conf.is_dir() or {path.name for path in conf.iterdir()} <= SET_UP_FILES

    def settings(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return a session's settings when it runs without Spark's folder of settings.

        Args:
            given: Spark's settings of the session. They override those of spark-defaults.conf.
        """
        settings = {**read_settings(self.spark_home / "conf" / "spark-defaults.conf"), **given}
        if self.archive.is_file():
            ours = f'{USE_ARCHIVE} "-XX:SharedArchiveFile={self.archive}"'
            settings[JAVA_OPTIONS] = f"{ours} {settings.get(JAVA_OPTIONS, '')}".strip()
        return settings


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings of a file such as spark-defaults.conf; empty without such a file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = [re.split(r"\s*[=:\s]\s*", line.strip(), maxsplit=1) for line in lines]
    return {
        pair[0]: pair[1] for pair in pairs if len(pair) == 2 and not pair[0].startswith(("#", "!"))
    }


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for what the body starts, and restore them afterwards."""
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
