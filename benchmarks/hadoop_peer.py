"""How tasks read stores before: a JVM beside each Python worker copies pieces to a scratch file.

It is the code of that time, less its errors and its cache of several stores.
"""

import functools
import io
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyspark
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

from devise_lib.spark.platform.find_java import find_java
from devise_lib.storage.files import FileStatus

PIECE_BYTES = 64 << 20
JVM_OPTIONS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
ROOT = Path(__file__).parents[1]
_RESOLVE = """
import sys
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]")
for setting in sys.argv[1:]:
    builder = builder.config(*setting.split("=", 1))
print("jars", builder.getOrCreate().sparkContext.getConf().get("spark.jars"))
"""


@functools.cache
def s3a_jars() -> list[str]:
    """Returns the paths of the jars that conf/s3.toml names; Spark resolves them once."""
    settings = tomllib.loads((ROOT / "conf" / "s3.toml").read_text())["spark"]
    named = [f"spark.{key}={settings[key]}" for key in ("jars.packages", "jars.excludes")]
    command = [sys.executable, "-c", _RESOLVE, *named]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    [line] = [line for line in said.splitlines() if line.startswith("jars ")]
    return [jar.removeprefix("file://") for jar in line.split()[1].split(",")]


class HadoopPeer:
    """The files of one store, read through a JVM that ends with this process.

    Args:
        uri: of any file of the store.
        settings: Hadoop's settings.
        jars: paths of the store's connector.
    """

    def __init__(self, uri: str, settings: Mapping[str, str], jars: list[str]) -> None:
        home = Path(pyspark.__file__).parent
        port, token, self._process = launch_gateway(
            jarpath=str(next(home.glob("jars/py4j-*.jar"))),
            classpath=os.pathsep.join([f"{home}/jars/*", *jars]),
            javaopts=JVM_OPTIONS,
            java_path=str(find_java() / "bin" / "java"),
            die_on_exit=True,
            enable_auth=True,
            return_proc=True,
        )
        parameters = GatewayParameters(port=port, auth_token=token)
        self._gateway = JavaGateway(gateway_parameters=parameters)
        self._jvm: Any = self._gateway.jvm
        hadoop = self._jvm.org.apache.hadoop
        configuration = hadoop.conf.Configuration()
        for name, value in settings.items():
            configuration.set(name, value)
        place = hadoop.fs.Path(uri).toUri()
        self._system = hadoop.fs.FileSystem.newInstance(place, configuration)

    def close(self) -> None:
        self._gateway.shutdown()
        self._process.terminate()
        self._process.wait()

    def status(self, path: str) -> FileStatus:
        found = self._system.getFileStatus(self._jvm.org.apache.hadoop.fs.Path(path))
        return FileStatus(path, path.rpartition("/")[2], found.getLen(), False, 0.0)

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:
        return _Fetched(self, path, start, min(stop, self.status(path).size))

    def fetch(self, path: str, start: int, count: int, into: str) -> None:
        source = self._system.open(self._jvm.org.apache.hadoop.fs.Path(path))
        try:
            source.seek(start)
            target = self._jvm.java.io.FileOutputStream(into)
            try:
                self._jvm.org.apache.commons.io.IOUtils.copyLarge(source, target, 0, count)
            finally:
                target.close()
        finally:
            source.close()


class _Fetched(io.RawIOBase):
    """A range of a file, fetched to a scratch file piece by piece."""

    def __init__(self, files: HadoopPeer, path: str, start: int, stop: int) -> None:
        self._files, self._path, self._at, self._stop = files, path, start, stop
        # No buffer in between, because the JVM rewrites the file for each piece.
        self._scratch = tempfile.NamedTemporaryFile(prefix="devise-", buffering=0)  # noqa: SIM115

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._scratch.readinto(buffer)
        if not size and self._at < self._stop:
            count = min(PIECE_BYTES, self._stop - self._at)
            self._files.fetch(self._path, self._at, count, self._scratch.name)
            self._at += count
            self._scratch.seek(0)
            size = self._scratch.readinto(buffer)
        return int(size)

    def close(self) -> None:
        self._scratch.close()
        super().close()
