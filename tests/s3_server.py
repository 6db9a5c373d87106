"""An S3 server of this machine, for tests of what lies on an object store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from devise_lib.storage.remote import RemoteFiles
from devise_lib.storage.stores import StoreFiles, set_store_settings, store_files

REGION = "eu-central-1"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server, which keeps its buckets in memory."""
    from moto.server import ThreadedMotoServer  # here, because it takes a second to import

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_settings(s3_server) -> dict[str, str]:
    """Hadoop's settings of the server."""
    return {
        "fs.s3a.endpoint": s3_server,
        "fs.s3a.endpoint.region": REGION,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.access.key": "key-of-tests",
        "fs.s3a.secret.key": "secret-of-tests",
    }


@pytest.fixture(scope="session")
def s3_client(s3_server):
    """A client of the server that is not the project's."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name=REGION,
        aws_access_key_id="key-of-tests",
        aws_secret_access_key="secret-of-tests",
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
