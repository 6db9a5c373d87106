"""embed_photos with its work folder on an S3 server: killed, refused, taken over, and with faults.

The server between the job and the store fails as it is told to. What is left must be what a run in
a local work folder leaves that nobody disturbed. As in test_embed_faults, processes are real.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from devise_lib.config.photos import EmbedPhotos
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS as PHOTOS_SCHEMA
from devise_lib.storage.leases import STALE_S
from tests.conftest import LOCAL, ROOT, set_options, spark_keys
from tests.embedding import mean_colour_network, photo_row, register, run
from tests.flaky_server import Fault, FlakyServer
from tests.jobs.test_embed_faults import noise
from tests.s3_server import connected, deltalake_options, spark_on_s3

pytestmark = [pytest.mark.spark, pytest.mark.slow]

PHOTOS, FILES = 60, 5
WAIT_S = 900.0  # on a machine that does other work


@dataclass
class Store:
    """A work folder on the store, as tests and programs see it."""

    work: str
    home: str
    command: list[str]
    options: dict[str, str]

    def start(self) -> subprocess.Popen:
        pipe, environment = subprocess.PIPE, {**os.environ, "HOME": self.home}
        return subprocess.Popen(
            self.command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, env=environment
        )

    def rows(self, name: str) -> list[tuple]:
        uri = f"{self.work.replace('s3a:', 's3:')}/tables/{name}"
        return rows_of(DeltaTable(uri, storage_options=self.options))

    def commits(self) -> int:
        uri = f"{self.work.replace('s3a:', 's3:')}/tables/embeddings"
        if not DeltaTable.is_deltatable(uri, self.options):
            return -1
        return DeltaTable(uri, storage_options=self.options).version()

    def wait_for(self, commits: int, process: subprocess.Popen) -> None:
        deadline = time.monotonic() + WAIT_S
        while self.commits() < commits:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)


def rows_of(table: DeltaTable) -> list[tuple]:
    """The rows without the run that wrote them, in order."""
    columns = ("photo_id", "model_id", "sha256", "stage", "reason", "embedding")
    have = [name for name in columns if name in table.schema().to_arrow().names]
    frame = table.to_pandas(columns=have)
    return sorted(
        tuple(tuple(v) if isinstance(v, np.ndarray) else v for v in row)
        for row in frame.where(frame.notna(), None).itertuples(index=False)
    )


@pytest.fixture(scope="module")
def undisturbed(spark, tmp_path_factory) -> Path:
    """A local work folder with a model, PHOTOS, and the results of one run."""
    root = tmp_path_factory.mktemp("undisturbed")
    rows = [photo_row(f"p{n:04}", noise(n), path=f"{root}/{n:04}.png") for n in range(PHOTOS)]
    config = EmbedPhotos(work_dir=str(root / "work"), max_bad_share=1.0, batch_size=16)
    photos = spark.createDataFrame(rows, PHOTOS_SCHEMA).repartition(FILES, "photo_id")
    Tables.of(spark, config).append("photos", photos)
    register(config, mean_colour_network())
    run(spark, config)
    return Path(config.work_dir)


@pytest.fixture
def store(undisturbed, flaky, s3_server, s3_settings, s3_jars, make_bucket, tmp_path) -> Store:
    """A work folder on the store with the same PHOTOS and no result."""
    work = f"s3a://{make_bucket()}/work"
    with connected(s3_settings) as files:
        for path in (undisturbed / "tables" / "photos").rglob("*"):
            if path.is_file():
                files.upload(path, f"{work}/{path.relative_to(undisturbed)}")
    through = {**s3_settings, "fs.s3a.endpoint": flaky.url}
    values = [
        f"work_dir={work}",
        f"tracking_uri=sqlite:///{undisturbed}/mlflow.db",
        *("embed_photos.batch_size=16", "embed_photos.max_bad_share=1.0"),
        *("embed_photos.files_per_batch=1", "embed_photos.optimize=false"),
        *spark_keys(spark_on_s3(s3_jars, through)),
        *LOCAL,
    ]
    job = [sys.executable, "jobs/embed_photos.py", "--config", "conf/s3.toml"]
    words = [*job, *set_options(values)]
    return Store(work, str(tmp_path), words, deltalake_options(s3_server))


def finish(process: subprocess.Popen) -> tuple[int, str]:
    out, err = process.communicate(timeout=WAIT_S)
    return process.returncode, out + err


def test_a_killed_run_is_continued_once_its_lease_is_stale_and_nothing_is_lost_or_doubled(
    store, undisturbed, flaky
):
    first = store.start()
    store.wait_for(2, first)
    status, said = finish(store.start())  # a second one, which finds the beats of the first
    assert status == 1
    assert f"process {first.pid}, since" in said
    assert "is running in this work folder already" in said
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = store.commits()
    started = time.monotonic()
    numbers = count()
    with flaky.failing(  # one in forty requests of the next run
        status=503, code="SlowDown", only=lambda *_: next(numbers) % 40 == 0
    ):
        status, said = finish(store.start())
    assert status == 0, said
    assert time.monotonic() - started > STALE_S
    assert store.commits() > done
    for name in ("embeddings", "quarantine"):
        wanted = rows_of(DeltaTable(undisturbed / "tables" / name))
        assert store.rows(name) == wanted
    ids = [row[0] for name in ("embeddings", "quarantine") for row in store.rows(name)]
    assert len(ids) == len(set(ids)) == PHOTOS


EXPIRED = {"status": 400, "code": "ExpiredToken"}


@pytest.mark.parametrize(
    ("break_it", "mend", "message"),
    [
        (lambda f: setattr(f, "fault", Fault(**EXPIRED)), None, "the credentials have expired"),
        pytest.param(
            lambda f: f.refuse(),
            lambda f: f.listen(),
            "the store does not answer",
            marks=pytest.mark.soak,
        ),
    ],
    ids=["expired", "refused"],
)
def test_an_outage_ends_the_run_in_a_line_and_the_next_run_does_the_rest(
    store,
    undisturbed,
    flaky,
    break_it: Callable[[FlakyServer], None],
    mend: Callable[[FlakyServer], None] | None,
    message: str,
):
    process = store.start()
    store.wait_for(2, process)
    break_it(flaky)
    try:
        status, said = finish(process)
    finally:
        flaky.fault = None
        if mend:
            mend(flaky)
    assert status == 1, said
    last = said.strip().splitlines()[-1]
    assert message in last
    assert store.work in last
    found = store.rows("embeddings")  # what is committed is whole
    wanted = rows_of(DeltaTable(undisturbed / "tables" / "embeddings"))
    assert 0 < len(found) < len(wanted)
    assert set(found) < set(wanted)
    status, said = finish(store.start())
    assert status == 0, said
    assert store.rows("embeddings") == wanted
