"""Builds of an index that are killed at random points, and go on.

Every process is a real one, and every kill a SIGKILL of the driver, its JVM and its workers. The
bundle must be that of a build that nobody disturbed, to the byte, and no finished file may be made
again. `make test` kills three times, `make soak` ten times on more photos, for more kinds of index,
and updates, compactions and searches as well. The last kill comes while a build tunes or publishes.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from devise_lib.config.search import BuildIndex
from devise_lib.index.bundle import index_root, read_current, verify
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.conftest import ROOT
from tests.embedded import as_rows, clustered
from tests.index_program import run
from tests.rows import read_rows

pytestmark = [pytest.mark.spark, pytest.mark.slow]

WAIT_S = 600
SEED = int(os.environ.get("DEVISE_SEED", "20"))
LOG = "said.txt"  # what the processes print, in the work folder
INDEX = "bundle/base/index.faiss"


@dataclass(frozen=True)
class Size:
    """What is built, and how often it is killed."""

    photos: int
    dimension: int
    key: str
    kills: int
    files: int  # that are finished before the index file is, at least


SMALL = Size(photos=3_000, dimension=16, key="IVF40,SQ8", kills=3, files=38)
FULL = [
    Size(photos=200_000, dimension=32, key="IVF4096_HNSW16,SQfp16", kills=10, files=90),
    Size(photos=200_000, dimension=32, key="PCA24,IVF512,PQ12x4fsr,RFlat", kills=10, files=40),
]
CASES = [SMALL, *(pytest.param(size, marks=pytest.mark.soak) for size in FULL)]


def settings_of(size: Size) -> dict:
    values = {"index_key": size.key, "recall_target": 0.6, "points_per_list": 40}
    return {**values, "k": 5, "queries": 100, "max_memory_gib": 0.62, "carry_words": 0}


def start(work: Path, job: str, settings: dict) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.index_program", job, str(work), json.dumps(settings)]
    with (work / LOG).open("a") as log:
        return subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def finished_files(work: Path, job: str) -> dict[str, int]:
    """The files of finished steps of a job with the times at which they were written."""
    root, done = Path(index_root(str(work))), {}
    for marker in root.glob(f".{job}-*/**/*.json"):
        if marker.name not in ("plan.json", "manifest.json"):
            with contextlib.suppress(FileNotFoundError):  # It is being published or removed.
                folder = root / marker.relative_to(root).parts[0]
                for path in json.loads(marker.read_text())["files"]:
                    done[path] = (folder / path).stat().st_mtime_ns
    return done


def published(work: Path) -> str:
    path = Path(index_root(str(work)), "CURRENT")
    return path.read_text() if path.exists() else ""


@dataclass
class Killer:
    """Starts a job again and again, and kills it when so many files are finished.

    Attributes:
        work: the work folder.
        job: of tests.index_program.
        settings: of the job.
        rng: decides how soon after a goal the kill comes.
        kills: so far.
    """

    work: Path
    job: str
    settings: dict
    rng: random.Random
    kills: int = 0

    def run(self, goals: Sequence[int | str]) -> None:
        """Kill at each goal, a number of finished files or a file, and let the last run end."""
        before, at_first = {}, published(self.work)
        deadline = time.monotonic() + WAIT_S
        for goal in goals:
            with start(self.work, self.job, self.settings) as process:
                while process.poll() is None and not self._is_at(goal):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                time.sleep(self.rng.uniform(0, 0.2))
                if process.poll() is not None:
                    assert process.returncode == 0, self.said()
                    return
                os.killpg(process.pid, signal.SIGKILL)
            self.kills += 1
            now = finished_files(self.work, self.job)
            # What is there was not made again. What is published or cleaned up is not there.
            assert {path: before.get(path, at) for path, at in now.items()} == now
            assert published(self.work) != at_first or before.keys() <= now.keys()
            before = now
        with start(self.work, self.job, self.settings) as process:
            process.wait(WAIT_S)
        assert process.returncode == 0, self.said()

    def said(self) -> str:
        return (self.work / LOG).read_text()

    def _is_at(self, goal: int | str) -> bool:
        done = finished_files(self.work, self.job)
        return goal in done if isinstance(goal, str) else len(done) >= goal


def write_photos(spark, folder: Path, vectors, start: int, stop: int) -> None:
    """Replace EMBEDDINGS of a work folder by some photos."""
    tables = Tables.of(spark, BuildIndex(work_dir=str(folder)))
    rows = as_rows(vectors[start:stop], photo_ids=[f"p{i}" for i in range(start, stop)])
    tables.overwrite("embeddings", spark.createDataFrame(rows, EMBEDDINGS).repartition(4))


def assert_same_bundle(work: Path, calm: Path, vectors) -> None:
    made, wanted = read_current(str(work)), read_current(str(calm))
    verify(made)
    assert made.name == wanted.name
    assert made.manifest.files == wanted.manifest.files
    found = [bundle.open().search(vectors[:50], 5) for bundle in (made, wanted)]
    np.testing.assert_array_equal(found[0].rows, found[1].rows)


@pytest.mark.parametrize("size", CASES, ids=lambda size: size.key)
def test_a_build_that_is_killed_again_and_again_gives_the_same_bundle(spark, tmp_path, size):
    rng, work, calm = random.Random(SEED), tmp_path / "killed", tmp_path / "calm"
    vectors = clustered(size.photos, d=size.dimension, clusters=60)
    for folder in (work, calm):
        write_photos(spark, folder, vectors, 0, size.photos)
    run(spark, "build", str(calm), settings_of(size))

    killer = Killer(work, "build", settings_of(size), rng)
    goals = sorted(rng.sample(range(1, size.files), size.kills - 1))
    killer.run([*goals, INDEX])  # The last kill comes while it tunes or publishes.
    assert killer.kills == size.kills
    assert_same_bundle(work, calm, vectors)
    root = Path(index_root(str(work)))
    left = ["CURRENT", read_current(str(work)).name]
    assert sorted(path.name for path in root.iterdir()) == sorted(left)


@pytest.mark.soak
@pytest.mark.parametrize("job", ["update", "compact", "search"])
def test_what_keeps_an_index_up_to_date_and_searches_it_may_be_killed(spark, tmp_path, job):
    rng, work, calm = random.Random(SEED), tmp_path / "killed", tmp_path / "calm"
    size = Size(photos=60_000, dimension=32, key="IVF256,SQ8", kills=5, files=0)
    vectors, settings = clustered(size.photos, d=size.dimension, clusters=60), settings_of(size)
    for folder in (work, calm):
        write_photos(spark, folder, vectors, 0, 50_000)
        run(spark, "build", str(folder), settings)
        write_photos(spark, folder, vectors, 2_000, 60_000)
        if job != "update":
            run(spark, "update", str(folder), settings)
    asked = {"k": 5, "task_rows": 4_000} if job == "search" else settings
    run(spark, job, str(calm), asked)

    killer = Killer(work, job, asked, rng)
    goals = {"update": 30, "compact": 6, "search": 14}  # files that are finished at least
    killer.run([*sorted(rng.sample(range(1, goals[job]), size.kills - 1)), goals[job]])
    assert killer.kills >= size.kills - 1  # the last one may be too late
    assert_same_bundle(work, calm, vectors)
    if job == "search":
        columns = ["photo_id", "rank", "neighbour_id", "score"]
        rows, wanted = (
            sorted(tuple(row.values()) for row in read_rows(folder, "neighbours", columns))
            for folder in (work, calm)
        )
        assert len(rows) == 5 * 58_000
        assert rows == wanted
