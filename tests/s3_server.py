"""An S3 server of this machine, for tests of what lies on an object store."""

import fcntl
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from devise_lib.storage.remote import RemoteFiles
from devise_lib.storage.stores import StoreFiles, set_store_settings, store_files
from tests.flaky_server import FlakyServer

REGION = "eu-central-1"
KEY, SECRET = "key-of-tests", "secret-of-tests"
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server, which keeps its buckets in memory.

    It is a process of its own, because some readers hold Python's lock while they wait for it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=quiet, stderr=quiet) as server:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as asked:
                if not asked.connect_ex(("127.0.0.1", port)):
                    break
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        server.kill()


@pytest.fixture(scope="module")
def flaky(s3_server) -> Iterator[FlakyServer]:
    """A server that passes requests on to the other one, and fails as it is told to."""
    server = FlakyServer(s3_server)
    yield server
    server.refuse()


@pytest.fixture(scope="session")
def s3_settings(s3_server) -> dict[str, str]:
    """Hadoop's settings of the server."""
    return {
        "fs.s3a.endpoint": s3_server,
        "fs.s3a.endpoint.region": REGION,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.access.key": KEY,
        "fs.s3a.secret.key": SECRET,
    }


@pytest.fixture(scope="session")
def s3_client(s3_server):
    """A client of the server that is not the project's."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


@pytest.fixture(scope="session")
def make_bucket(s3_client) -> Callable[[], str]:
    """A function that makes a new bucket and returns its name."""

    def make() -> str:
        name = f"bucket-{uuid4().hex[:12]}"
        where = {"LocationConstraint": REGION}
        s3_client.create_bucket(Bucket=name, CreateBucketConfiguration=where)
        return name

    return make


@pytest.fixture
def bucket(make_bucket) -> str:
    """The name of a new bucket."""
    return make_bucket()


@pytest.fixture
def store(bucket, s3_settings) -> RemoteFiles:
    """The files of a new bucket."""
    return RemoteFiles("s3a", bucket, s3_settings)


@contextmanager
def connected(settings: dict[str, str]) -> Iterator[StoreFiles]:
    """Let this process, and tasks that it starts, find a server while the body runs."""
    set_store_settings(settings)
    try:
        yield store_files()
    finally:
        set_store_settings({})


@pytest.fixture
def s3_files(s3_settings) -> Iterator[StoreFiles]:
    """What opens files in this process and in tasks, set to find the server."""
    with connected(s3_settings) as files:
        yield files


@pytest.fixture(scope="session")
def s3_jars(tmp_path_factory) -> str:
    """The jars of Hadoop's connector that conf/s3.toml names, as the setting `spark.jars`.

    Spark resolves them, once for all processes of a run. Sessions then need no network.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "s3_jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = shared / "s3_jars.txt"
        if not found.exists():
            found.write_text(resolve_jars())
        return found.read_text()


def resolve_jars() -> str:
    """Ask Spark for the packages of conf/s3.toml."""
    from tools.java_trust import java_options

    settings = tomllib.loads((ROOT / "conf" / "s3.toml").read_text())["spark"]
    venv = Path(sys.prefix)
    options = java_options(os.environ, venv / "java-trust.jks")
    done = subprocess.run(
        [
            *(venv / "bin" / "spark-submit", "--master", "local[1]"),
            *("--packages", settings["jars.packages"]),
            *("--exclude-packages", settings["jars.excludes"]),
            ROOT / "tools" / "fetch_delta.py",
        ],
        env={**os.environ, "SPARK_SUBMIT_OPTS": " ".join(options)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"Hadoop's connector for S3 cannot be had: {done.stderr[-500:]}"
    jars = [line.removeprefix("jar ") for line in done.stdout.splitlines() if "jar " in line]
    return ",".join(jars)


def spark_on_s3(jars: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Settings of a session that finds the server, for a configuration's table [spark]."""
    return {
        "jars": jars,
        "jars.packages": "",
        **{f"hadoop.{key}": value for key, value in settings.items()},
        # A store that fails is given up after seconds.
        "hadoop.fs.s3a.attempts.maximum": "2",
        "hadoop.fs.s3a.retry.limit": "2",
    }


def deltalake_options(server: str) -> dict[str, str]:
    """How deltalake, a reader that is not the project's, finds the server."""
    return {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
