"""embed_photos while its driver, its JVM, its executors and their workers are killed at random.

Every process here is a real one, and every kill a SIGKILL. What the killed runs leave must be what
a run leaves that nobody disturbed. The test has two sizes: `make test` kills three processes on few
photos, `make soak` kills 22 on 5,000.
"""

import io
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from deltalake import DeltaTable
from PIL import Image

from devise_lib.config.photos import EmbedPhotos
from devise_lib.errors import InputError
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS as PHOTOS_SCHEMA
from tests.conftest import CLUSTER, LOCAL, ROOT, set_options, spark_keys
from tests.embedding import mean_colour_network, photo_row, register, run

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@dataclass(frozen=True)
class Size:
    """How much one case of the test embeds, and what it kills."""

    photos: int
    files: int
    kills: tuple[str, ...]  # the last one comes first
    shuffled: bool
    must_kill: int  # a run may end before the last kills
    ends_before_loss: int  # drivers or JVMs that are killed before the checkpoint is lost
    pause_s: float  # upper limit, from a commit to a kill
    as_programs: bool  # the undisturbed run and the second one; else they run in this process


SMALL = Size(
    photos=100,
    files=5,
    kills=("worker", "executor", "driver"),
    shuffled=False,
    must_kill=3,
    ends_before_loss=0,
    pause_s=0.5,
    as_programs=False,
)
FULL = Size(
    photos=5_000,
    files=20,
    kills=("driver",) * 4 + ("jvm",) * 2 + ("executor",) * 8 + ("worker",) * 8,  # 22 of them
    shuffled=True,
    must_kill=20,
    ends_before_loss=2,
    pause_s=2.5,
    as_programs=True,
)
TWO_EXECUTORS = {  # each a process that can be killed
    **CLUSTER,
    "master": "local-cluster[2,1,1024]",
    "task.maxFailures": "50",  # more than are killed here
    "stage.maxConsecutiveAttempts": "50",
    "deploy.maxExecutorRetries": "-1",
    "excludeOnFailure.enabled": "false",
}
SOFT_S = 240.0  # until the photos must have got on by one commit


def noise(seed: int) -> bytes:
    """A small photo that no other is like; some are broken in one way or another."""
    pixels = np.random.default_rng(seed).integers(0, 256, (18, 20, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    broken = {3: content[: len(content) // 2], 5: content[:60], 7: content[:-30] + b"x" * 30}
    return broken.get(seed % 40, content)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SMALL, id="small"),
        pytest.param(FULL, id="full", marks=pytest.mark.soak),
    ],
)
def size(request) -> Size:
    return request.param


@pytest.fixture(scope="module")
def ready(spark, size, tmp_path_factory) -> Path:
    """A work folder with the size's photos in as many files of PHOTOS, some at their paths."""
    root = tmp_path_factory.mktemp("faults")
    rows = []
    for number in range(size.photos):
        content, path = noise(number), root / f"{number:04}.png"
        row = photo_row(f"p{number:04}", content, path=str(path))
        if number % 10 == 0:
            path.write_bytes(content)
            row = (*row[:-1], None)
        rows.append(row)
    config = EmbedPhotos(work_dir=str(root / "work"))
    photos = spark.createDataFrame(rows, PHOTOS_SCHEMA).repartition(size.files, "photo_id")
    Tables.of(spark, config).append("photos", photos)
    register(config, mean_colour_network())
    return Path(config.work_dir)


def command(work: Path, *settings: str) -> list[str]:
    values = [f"work_dir={work}", f"tracking_uri=sqlite:///{work}/mlflow.db"]
    values += ["embed_photos.batch_size=16", "embed_photos.max_bad_share=1.0", *settings]
    job = [sys.executable, "jobs/embed_photos.py", "--config", "conf/local.toml"]
    return [*job, *set_options(values)]


def start(work: Path) -> subprocess.Popen:
    log = (work / "said.txt").open("ab")
    return subprocess.Popen(
        command(work, *spark_keys(TWO_EXECUTORS), "embed_photos.files_per_batch=1"),
        cwd=ROOT,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def processes(driver: subprocess.Popen) -> dict[str, list[psutil.Process]]:
    """What runs below a driver, by what it is."""
    found: dict[str, list[psutil.Process]] = {"jvm": [], "executor": [], "worker": []}
    try:
        below = psutil.Process(driver.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return found
    for process in below:
        try:
            words = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        if "CoarseGrainedExecutorBackend" in words:
            found["executor"].append(process)
        elif "SparkSubmit" in words:
            found["jvm"].append(process)
        elif "pyspark.worker" in words:
            found["worker"].append(process)
    return found


def end(driver: subprocess.Popen) -> None:
    """Kill a driver and what it leaves behind, as a machine's end does."""
    below = [p for group in processes(driver).values() for p in group]
    driver.kill()
    driver.wait()
    for process in below:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(below, timeout=30)


def commits(work: Path) -> int:
    return len(list((work / "tables" / "embeddings" / "_delta_log").glob("*.json")))


def wait_for_commit(work: Path, driver: subprocess.Popen) -> bool:
    """Wait until the run has written a batch more; False where it ended before."""
    before = max(commits(work), 1)  # the first commit only creates the table
    deadline = time.monotonic() + SOFT_S
    while commits(work) <= before:
        if driver.poll() is not None:
            return False
        assert time.monotonic() < deadline, (work / "said.txt").read_text()[-3000:]
        time.sleep(0.05)
    return True


def find_victims(driver: subprocess.Popen, kind: str) -> list[psutil.Process]:
    """Processes of a kind, once they have been started; none where the run ended before."""
    deadline = time.monotonic() + SOFT_S
    while driver.poll() is None and time.monotonic() < deadline:
        if victims := processes(driver)[kind]:
            return victims
        time.sleep(0.05)
    return []


def rows(work: Path, name: str) -> list[tuple]:
    """The table's rows without the run that wrote them, in order."""
    columns = {
        "embeddings": ["photo_id", "model_id", "sha256", "label", "embedding"],
        "quarantine": ["photo_id", "model_id", "sha256", "stage", "reason", "message"],
    }[name]
    frame = DeltaTable(str(work / "tables" / name)).to_pandas(columns=columns)
    return sorted(
        tuple(tuple(v) if isinstance(v, np.ndarray) else v for v in row)
        for row in frame.where(frame.notna(), None).itertuples(index=False)
    )


def config_of(work: Path) -> EmbedPhotos:
    return EmbedPhotos(work_dir=str(work), max_bad_share=1.0, batch_size=16)


def run_program(work: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(work, *LOCAL), cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def undisturbed(spark, size, ready, tmp_path_factory) -> Path:
    """The same work folder after one run, in another session, in one batch, on other tasks."""
    work = shutil.copytree(ready, tmp_path_factory.mktemp("undisturbed") / "work")
    if size.as_programs:
        done = run_program(work)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        run(spark, config_of(work))
    return work


def check_that_a_second_run_is_refused(spark, size: Size, work: Path) -> None:
    said = "is running in this work folder already"
    if size.as_programs:
        second = run_program(work)
        assert second.returncode == 1
        assert said in second.stderr
    else:
        with pytest.raises(InputError, match=said):
            run(spark, config_of(work))


def test_nothing_is_lost_or_doubled_whatever_is_killed(spark, size, ready, undisturbed, tmp_path):
    work = shutil.copytree(ready, tmp_path / "work")
    chance = random.Random(5)
    kills = list(size.kills)
    if size.shuffled:
        chance.shuffle(kills)
    killed: Counter[str] = Counter()
    second_tried = checkpoint_lost = False
    driver = start(work)
    try:
        while kills:
            kind = kills.pop()
            takes_all = kind in ("driver", "jvm")
            # A run whose driver is killed must have got on, or none would ever end. A second run
            # is refused only once the first one holds the work folder.
            waits = takes_all or not second_tried or len(kills) % 2
            if waits and not wait_for_commit(work, driver):
                break
            if not second_tried:
                check_that_a_second_run_is_refused(spark, size, work)
                second_tried = True
            time.sleep(chance.uniform(0.0, size.pause_s))
            if kind == "driver":
                end(driver)
                assert driver.returncode == -signal.SIGKILL
            elif victims := find_victims(driver, kind):
                try:
                    chance.choice(victims).kill()
                except psutil.NoSuchProcess:  # it has just ended: another one, later
                    kills.insert(0, kind)
                    continue
            else:
                break
            if takes_all:
                driver.wait(120)
                ends = killed["driver"] + killed["jvm"]
                if not checkpoint_lost and ends >= size.ends_before_loss:
                    shutil.rmtree(work / "checkpoints" / "embed_photos")
                    checkpoint_lost = True
                driver = start(work)
            killed[kind] += 1
        assert driver.wait(600) == 0, (work / "said.txt").read_text()[-3000:]
    finally:
        end(driver)
    assert sum(killed.values()) >= size.must_kill
    assert second_tried
    assert checkpoint_lost
    for name in ("embeddings", "quarantine"):
        found, wanted = rows(work, name), rows(undisturbed, name)
        assert len(found) == len(wanted)
        assert found == wanted
    ids = [row[0] for name in ("embeddings", "quarantine") for row in rows(work, name)]
    assert len(ids) == len(set(ids)) == size.photos
