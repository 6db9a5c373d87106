"""An S3 server of this machine, for the tests of stores."""

from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from devise_lib.storage.remote import RemoteFiles

REGION = "eu-central-1"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server, which keeps its buckets in memory."""
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
    return boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name=REGION,
        aws_access_key_id="key-of-tests",
        aws_secret_access_key="secret-of-tests",
    )


@pytest.fixture
def bucket(s3_client) -> str:
    """The name of a new bucket."""
    name = f"bucket-{uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def store(bucket, s3_settings) -> RemoteFiles:
    """The files of a new bucket."""
    return RemoteFiles("s3a", bucket, s3_settings)
