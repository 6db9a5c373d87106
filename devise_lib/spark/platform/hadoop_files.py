"""Opens files of any file system that the session's Hadoop knows, by byte ranges, on executors too.

On the driver Spark's own JVM reads them. A Python worker cannot reach its executor's JVM. So the
first task that needs such a file starts a small JVM on Spark's jars, once per worker process, with
the session's Hadoop configuration. This configuration holds the keys of stores: it travels with the
task, and is neither printed nor written anywhere.
"""

import functools
import io
import os
import shlex
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyspark
from py4j.java_gateway import (  # type: ignore[import-untyped]
    GatewayParameters,
    JavaGateway,
    launch_gateway,
)
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark import SparkFiles
from pyspark.sql import SparkSession

from devise_lib.errors import InputError
from devise_lib.paths import is_remote
from devise_lib.spark.platform.find_java import find_java
from devise_lib.storage.files import LOCAL_FILES, Files, FileStatus

PIECE_BYTES = 64 << 20  # fetched at once, so a task needs this much of the local disk
_OPENING = threading.Lock()
WORKER_JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def spark_path(spark: SparkSession, path: str) -> str:
    """Return a path in the form that Spark takes, in which a local path stays local.

    Where the default store is another one (`fs.defaultFS` of a cluster), Spark looks there for
    paths without a scheme. Python does not.
    """
    if is_remote(path):
        return path
    default = spark._jsc.hadoopConfiguration().get("fs.defaultFS", "file:///")
    return path if default.startswith("file:") else f"file:{Path(path).absolute()}"


@dataclass(frozen=True)
class WorkerFiles:
    """What a task needs to open files. It is sent to executors.

    Attributes:
        settings: the session's Hadoop configuration as XML; None where all files are local.
        class_path: connectors beside Spark's jars: spark.executor.extraClassPath.
        options: of the executors' JVMs: spark.executor.extraJavaOptions.
    """

    settings: str | None = field(repr=False, default=None)
    class_path: str = ""
    options: str = field(repr=False, default="")

    def open(self) -> Files:
        """Return what opens the files on this worker. Local files need no JVM.

        Raises:
            InputError: this machine has no Java, or no Spark with its jars.
        """
        if self.settings is None:
            return LOCAL_FILES
        with _OPENING:  # Only one of several threads starts the JVM.
            return _files_of_worker(self.settings, self.class_path, self.options)


def session_files(spark: SparkSession, *paths: str) -> tuple[Files, WorkerFiles]:
    """Return what opens the paths on the driver, and what opens them in tasks.

    Args:
        spark: the session.
        paths: if all are local, no JVM is needed to open them.
    """
    if not any(is_remote(path) for path in paths):
        return LOCAL_FILES, WorkerFiles()
    return HadoopFiles(spark._jvm, _configuration(spark)), worker_files(spark)


def worker_files(spark: SparkSession) -> WorkerFiles:
    """Return what opens paths of any file system in tasks."""
    jvm: Any = spark._jvm
    writer = jvm.java.io.StringWriter()
    _configuration(spark).writeXml(writer)
    executor = (
        spark.conf.get(f"spark.executor.extra{name}", "") for name in ("ClassPath", "JavaOptions")
    )
    return WorkerFiles(writer.toString(), *executor)


def _configuration(spark: SparkSession) -> Any:
    """Return the Hadoop configuration that spark.read uses."""
    return spark._jsparkSession.sessionState().newHadoopConf()


class HadoopFiles:
    """Files of Hadoop's file systems, read through a JVM. Local paths are read without it.

    Args:
        jvm: a py4j view of a JVM on this machine that has Hadoop's classes.
        configuration: a Hadoop Configuration in this JVM.
        piece_bytes: how much of a range is fetched at once.
    """

    def __init__(self, jvm: Any, configuration: Any, piece_bytes: int = PIECE_BYTES) -> None:
        self._jvm, self._configuration = jvm, configuration
        self._piece_bytes = piece_bytes
        self._systems: dict[str, Any] = {}

    def status(self, path: str) -> FileStatus | None:
        """Return name, size and time of a file or folder; None where there is nothing at the path.

        Raises:
            InputError: the file system cannot be read.
        """
        if not is_remote(path):
            return LOCAL_FILES.status(path)
        try:
            system, name = self._system(path)
            return _status(system.getFileStatus(name))
        except Py4JJavaError as error:
            if _java_class(error) == "java.io.FileNotFoundException":
                return None
            raise _cannot_open(path, error) from None

    def children(self, folder: str) -> list[FileStatus]:
        """Return the status of each file and folder in a folder, sorted by name.

        Raises:
            InputError: the folder cannot be read.
        """
        if not is_remote(folder):
            return LOCAL_FILES.children(folder)
        try:
            system, name = self._system(folder)
            found = [_status(each) for each in system.listStatus(name)]
        except Py4JJavaError as error:
            raise _cannot_open(folder, error) from None
        return sorted(found, key=lambda status: status.name)

    def entries(self, folder: str) -> Iterator[FileStatus]:
        """Give the status of each entry of a folder as the store lists it, without hidden ones.

        Raises:
            FileNotFoundError: there is no such folder (any more).
            InputError: the folder cannot be read.
        """
        if not is_remote(folder):
            yield from LOCAL_FILES.entries(folder)
            return
        try:
            system, name = self._system(folder)
            found = system.listStatusIterator(name)  # It asks the store page by page.
            while found.hasNext():
                status = _status(found.next())
                if not status.name.startswith("."):
                    yield status
        except Py4JJavaError as error:
            if _java_class(error) == "java.io.FileNotFoundException":
                raise FileNotFoundError(folder) from None
            raise _cannot_open(folder, error) from None

    def open_range(self, path: str, start: int, stop: int) -> io.RawIOBase:
        """Return a stream of the bytes from `start` up to `stop`, fetched piece by piece.

        Raises:
            InputError: the file is gone or cannot be read.
        """
        if not is_remote(path):
            return LOCAL_FILES.open_range(path, start, stop)
        status = self.status(path)
        if status is None:
            raise InputError(f"{path} is gone: it was there when the input was listed")
        return _Fetched(self, path, start, min(stop, status.size), self._piece_bytes)

    def fetch(self, path: str, start: int, count: int, into: str) -> None:
        """Copy `count` bytes of a file from `start` on to the local file `into`, inside the JVM.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            system, name = self._system(path)
            source = system.open(name)
            try:
                source.seek(start)
                target = self._jvm.java.io.FileOutputStream(into)
                try:
                    # Hadoop's own IOUtils.copyBytes takes a count as a long, or a buffer's size as
                    # an int. py4j would pass a small count as the latter.
                    self._jvm.org.apache.commons.io.IOUtils.copyLarge(source, target, 0, count)
                finally:
                    target.close()
            finally:
                source.close()
        except Py4JJavaError as error:
            raise _cannot_open(path, error) from None

    def _system(self, path: str) -> tuple[Any, Any]:
        """Return the file system of a path, and the path as this file system takes it."""
        name = self._jvm.org.apache.hadoop.fs.Path(path)
        uri = name.toUri()
        key = f"{uri.getScheme()}://{uri.getAuthority()}"
        if key not in self._systems:  # Hadoop's own cache may hold other settings.
            system = self._jvm.org.apache.hadoop.fs.FileSystem.newInstance(uri, self._configuration)
            self._systems[key] = system
        return self._systems[key], name


class _Fetched(io.RawIOBase):
    """A range of a file, fetched to a scratch file piece by piece."""

    def __init__(self, files: HadoopFiles, path: str, start: int, stop: int, piece: int) -> None:
        self._files, self._path, self._at, self._stop = files, path, start, stop
        self._piece_bytes = piece
        # No buffer in between, because the JVM rewrites the file for each piece.
        self._scratch = tempfile.NamedTemporaryFile(prefix="devise-", buffering=0)  # noqa: SIM115

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._scratch.readinto(buffer)
        if not size and self._at < self._stop:
            count = min(self._piece_bytes, self._stop - self._at)
            self._files.fetch(self._path, self._at, count, self._scratch.name)
            self._at += count
            self._scratch.seek(0)
            size = self._scratch.readinto(buffer)
        return int(size)

    def close(self) -> None:
        self._scratch.close()
        super().close()


@functools.cache
def _files_of_worker(settings: str, class_path: str, options: str) -> HadoopFiles:
    """Return the files of a session in this worker process, whose JVM is started once."""
    jvm = _launch_jvm(class_path, options)
    configuration = jvm.org.apache.hadoop.conf.Configuration(False)
    configuration.addResource(jvm.java.io.ByteArrayInputStream(settings.encode()))
    return HadoopFiles(jvm, configuration)


@functools.cache
def _launch_jvm(class_path: str, options: str) -> Any:
    """Start a JVM on Spark's jars and those of the session, which ends with this process.

    Raises:
        InputError: this machine has no Java, or no Spark with its jars.
    """
    home = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)
    py4j = next(home.glob("jars/py4j-*.jar"), None)
    if py4j is None:
        raise InputError(
            f"there are no Spark jars in {home}/jars on an executor, but the input's file system "
            "needs them: set SPARK_HOME there, or give a path of a mounted file system"
        )
    folders = [class_path, os.environ.get("HADOOP_CONF_DIR", ""), f"{home}/jars/*"]
    folders.append(f"{SparkFiles.getRootDirectory()}/*")  # of spark.jars and spark.jars.packages
    port, token = launch_gateway(
        jarpath=str(py4j),
        classpath=os.pathsep.join(filter(None, folders)),
        javaopts=[*WORKER_JVM, *shlex.split(options)],
        java_path=str(find_java() / "bin" / "java"),
        die_on_exit=True,
        enable_auth=True,
    )
    return JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token)).jvm


def _status(status: Any) -> FileStatus:
    path = status.getPath()
    modified_s = status.getModificationTime() / 1000
    return FileStatus(
        path.toString(), path.getName(), status.getLen(), status.isDirectory(), modified_s
    )


def _java_class(error: Py4JJavaError) -> str:
    return str(error.java_exception.getClass().getName())


def _cannot_open(path: str, error: Py4JJavaError) -> InputError:
    what = (error.java_exception.getMessage() or "").partition("\n")[0]
    return InputError(
        f"{path} cannot be read: {_java_class(error).rpartition('.')[2]}: {what}; check that Spark "
        "has this file system's connector (spark.jars.packages) and settings (spark.hadoop.*)"
    )
