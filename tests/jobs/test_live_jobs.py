"""ingest_photos and embed_photos side by side over a folder that changes, each a program."""

import hashlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake.exceptions import TableNotFoundError

from devise_lib.config.photos import EmbedPhotos
from tests.conftest import LOCAL, ROOT, set_options
from tests.embedding import mean_colour_network, picture, register
from tests.rows import read_rows

pytestmark = [pytest.mark.spark, pytest.mark.slow]

PATIENCE_S = 240.0
STEPS = 2  # of the folder's changes


def start(job: str, work: Path, *settings: str) -> subprocess.Popen:
    values = [f"work_dir={work}", f"tracking_uri=sqlite:///{work}/mlflow.db", *LOCAL]
    values += [
        f"{job}.{setting}" for setting in ("poll_interval_s=1", "max_bad_share=1.0", *settings)
    ]
    return subprocess.Popen(
        [sys.executable, f"jobs/{job}.py", "--config", "conf/local.toml", *set_options(values)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def held(work: Path, table: str, column: str) -> list[str]:
    """A column of what a table holds, read beside the jobs, without Spark."""
    try:
        return sorted(row[column] for row in read_rows(work, table, [column]))
    except TableNotFoundError:
        return []


def digests(contents: dict[str, bytes]) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in contents.values())


def test_the_tables_follow_a_folder_while_both_jobs_run(tmp_path):
    work, photos = tmp_path / "work", tmp_path / "photos"
    photos.mkdir()
    register(EmbedPhotos(work_dir=str(work)), mean_colour_network())
    contents = {f"a{i}.png": picture(20 * i + 5) for i in range(6)}

    def write(changed: dict[str, bytes]) -> None:
        for name, content in changed.items():
            (photos / name).write_bytes(content)
        contents.update(changed)

    write(contents)
    jobs = [start("ingest_photos", work, f"source={photos}")]

    def wait_until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            ended = [job for job in jobs if job.poll() is not None]
            assert not ended, ended[0].communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def all_embedded() -> bool:
        return held(work, "embeddings", "sha256") == digests(contents)

    try:
        wait_until(lambda: held(work, "photos", "sha256") == digests(contents))
        jobs.append(start("embed_photos", work))
        wait_until(all_embedded)
        for step in range(STEPS):  # new ones, one that changes, one that each job refuses
            write({f"b{step}.png": picture(30 * step + 12), "a0.png": picture(70 + step)})
            (photos / f"empty{step}.png").touch()
            whole = picture(step, side=60)
            (photos / f"wrong{step}.png").write_bytes(whole[:-40] + b"x" * 40)
            wait_until(all_embedded)
        wait_until(lambda: held(work, "quarantine", "stage").count("embed_photos") == STEPS)
        wait_until(lambda: held(work, "quarantine", "stage").count("ingest_photos") == STEPS)
        for job in jobs:
            job.send_signal(signal.SIGTERM)
        said = [job.communicate(timeout=120)[0] for job in jobs]
        for job, text in zip(jobs, said, strict=True):
            assert job.returncode == 0, text
            assert "Traceback" not in text
    finally:
        for job in jobs:
            job.kill()
    assert all_embedded()
    assert "started" in said[0].splitlines()[0]
    taken = re.findall(r"^ingest_photos  (\d+) photos", said[0], re.MULTILINE)  # by each look
    assert len(taken) > STEPS
    assert sum(map(int, taken)) == 6 + 3 * STEPS  # what was there, and at each step three more
    assert f"{6 + 3 * STEPS} photos, {STEPS} quarantined" in said[0].splitlines()[-1]
    ids = held(work, "embeddings", "photo_id")
    assert len(ids) == len(set(ids)) == len(contents)
