"""S3 servers of this machine for benchmarks, their settings, and photos to put on them."""

import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
REGION, KEY, SECRET = "eu-central-1", "key-of-benchmarks", "secret-of-benchmarks"
# moto keeps its buckets in memory. Its own server ends each connection after one answer, which S3
# does not. Gunicorn, which comes with MLflow, keeps connections.
_KEEP_ALIVE = """
import argparse
from gunicorn.app.base import BaseApplication
from moto.server import DomainDispatcherApplication, create_backend_app
parser = argparse.ArgumentParser()
parser.add_argument("-H")
parser.add_argument("-p")
place = parser.parse_args()
class Server(BaseApplication):
    def load_config(self):
        settings = {"worker_class": "gthread", "threads": 16, "keepalive": 60, "workers": 1}
        for name, value in {**settings, "bind": f"{place.H}:{place.p}"}.items():
            self.cfg.set(name, value)
    def load(self):
        return DomainDispatcherApplication(create_backend_app)
Server().run()
"""
MOTO = (sys.executable, "-c", _KEEP_ALIVE)
START_S = 60.0


@contextmanager
def server(*command: str) -> Iterator[str]:
    """Yields the URL of a server, a process that is called with -H HOST -p PORT and ends here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "-H", "127.0.0.1", "-p", str(port)], cwd=ROOT, **quiet) as run:
        try:
            _wait_for(run, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            run.terminate()


def _wait_for(run: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while run.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{run.args} does not answer on port {port}")


def hadoop_settings(url: str) -> dict[str, str]:
    """Returns Hadoop's settings of a server."""
    return {
        "fs.s3a.endpoint": url,
        "fs.s3a.endpoint.region": REGION,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.access.key": KEY,
        "fs.s3a.secret.key": SECRET,
    }


def client(url: str) -> Any:
    """Returns a client of a server that is not the project's."""
    import boto3

    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    return boto3.client("s3", endpoint_url=url, region_name=REGION, **keys)


def make_bucket(url: str, bucket: str) -> Any:
    """Makes a bucket; returns a client."""
    made = client(url)
    made.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return made


def jpeg(seed: int, width: int, height: int) -> bytes:
    """Returns a photo of smooth noise; each seed gives another."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    pixels = (np.asarray(picture) + rng.normal(0, 6, (height, width, 3))).clip(0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
