"""Builds of an index that are killed at random points, and go on.

Every process is a real one, and every kill a SIGKILL of the driver, its JVM and its workers. The
bundle must be that of a build that nobody disturbed, to the byte, and no finished file may be made
again. `make test` kills three times, `make soak` ten times on more photos, for more kinds of index.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from devise_lib.config.search import BuildIndex
from devise_lib.index.bundle import index_root, read_current, verify
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import EMBEDDINGS
from tests.conftest import ROOT
from tests.embedded import MODEL, as_rows, clustered, names

pytestmark = [pytest.mark.spark, pytest.mark.slow]

WAIT_S = 600


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


def start(work: Path, size: Size) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "tests.index_program",
        str(work),
        json.dumps(settings_of(size)),
    ]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def finished_files(work: Path) -> dict[str, int]:
    """The files of finished steps with the times at which they were written."""
    root, done = Path(index_root(str(work))), {}
    try:
        for folder in root.glob(".build-*"):
            for marker in folder.rglob("*.json"):
                if marker.name not in ("plan.json", "manifest.json"):
                    for path in json.loads(marker.read_text())["files"]:
                        done[path] = (folder / path).stat().st_mtime_ns
    except FileNotFoundError:  # The build has just ended, and its folder is being removed.
        return {}
    return done


@pytest.mark.parametrize("size", CASES, ids=lambda size: size.key)
def test_a_build_that_is_killed_again_and_again_gives_the_same_bundle(spark, tmp_path, size):
    seed = int(os.environ.get("DEVISE_SEED", "20"))
    rng, work, calm = random.Random(seed), tmp_path / "killed", tmp_path / "calm"
    vectors = clustered(size.photos, d=size.dimension, clusters=60)
    for folder in (work, calm):
        tables = Tables.of(spark, BuildIndex(work_dir=str(folder)))
        rows = spark.createDataFrame(as_rows(vectors, photo_ids=names(size.photos)), EMBEDDINGS)
        tables.overwrite("embeddings", rows.repartition(4))
    config = BuildIndex(work_dir=str(calm), **settings_of(size))
    wanted = build_bundle(Tables.of(spark, config), config, MODEL, "run")

    killed, before = 0, {}
    goals = sorted(rng.sample(range(1, size.files), size.kills))  # finished files at a kill
    deadline = time.monotonic() + WAIT_S
    while True:
        assert time.monotonic() < deadline
        process = start(work, size)
        goal = goals.pop(0) if goals else 10**9
        while process.poll() is None and len(finished_files(work)) < goal:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.2))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        killed += 1
        now = finished_files(work)
        assert {path: now[path] for path in before} == before  # No finished file was made again.
        before = now
    said = process.stdout.read().decode()
    assert process.returncode == 0, said
    assert killed == size.kills
    made = read_current(str(work))
    verify(made)
    assert made.name == wanted.name
    assert made.manifest.files == wanted.manifest.files
    found = [bundle.open().search(vectors[:50], 5) for bundle in (made, wanted)]
    np.testing.assert_array_equal(found[0].rows, found[1].rows)
    root = Path(index_root(str(work)))
    assert sorted(path.name for path in root.iterdir()) == sorted(["CURRENT", made.name])
