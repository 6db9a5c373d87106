"""One Spark session for the whole run; a test starts its own only where that is its subject."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests import ram_disk

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ROOT = Path(__file__).parents[1]
# What the tests cost, and their order; a server that plays S3.
pytest_plugins = ["tests.budget", "tests.s3_server"]

# The default deadline of 0.2 s an example fails tests on a machine that is busy, for no fault.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


SESSION = {
    "master": "local[2]",  # workers are processes, so a pickling fault shows
    "driver.memory": "1g",
    "buffer.pageSize": "1m",  # of each aggregation and sort, whose few rows would be given 16
    # No coverage in Spark's Python workers: they end without writing it. benchmarks/RESULTS.md has
    # what it costs. Horovod's ranks write theirs: they have the environment of the job.
    "executorEnv.COVERAGE_PROCESS_CONFIG": "",
    # For runs of minutes on two cores. What the second compiler would gain is less than it costs
    # (the first one alone has room for 48 MB of code, and would stop there), and a collector that
    # works beside the program takes a quarter more CPU.
    "driver.extraJavaOptions": (
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC"
    ),
}
CLUSTER = {  # of executors, which end before better code would pay
    **SESSION,
    "executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def spark_keys(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Settings of Spark as a configuration's overrides, for programs."""
    return tuple(f"spark.{key}={value}" for key, value in settings.items())


LOCAL = spark_keys(SESSION)
CODE = ("spark.sql.codegen.wholeStage=true", "spark.sql.codegen.factoryMode=FALLBACK")
SMALL = (  # the demo's configuration, cut down to what can be made in two minutes
    "make_sample.articles=300",
    "make_sample.photos=300",
    "train_word2vec.epochs=2",
    "train_word2vec.min_similarities=[]",
    "train_backbone.epochs=2",
    "train_devise.epochs=3",
    "build_index.queries=20",
    "find_duplicates.min_cosine=0.95",  # so that there are some
)


def pytest_configure(config: pytest.Config) -> None:
    if folder := ram_disk.use():
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:  # noqa: F821
    from devise_lib.spark.platform.session import (  # here, so that other tests need no Spark
        log_to,
        start_session,
    )

    settings = {
        **SESSION,
        # Most tests have a handful of rows, for which code is made, compiled and thrown away. The
        # whole run of the pipeline makes code, as clusters do.
        "sql.codegen.wholeStage": "false",
        "sql.codegen.factoryMode": "NO_CODEGEN",
        # Nor is a plan of a handful of rows worth a second look, or a second task.
        "sql.adaptive.enabled": "false",
        "databricks.delta.snapshotPartitions": "1",
        "sql.leafNodeDefaultParallelism": "1",
        "sql.files.minPartitionNum": "1",
        "sql.shuffle.partitions": "1",
        "sql.ansi.enabled": "true",
        "sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    with log_to(tmp_path_factory.mktemp("logs") / "spark.log"):
        session = start_session("tests", settings)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def devise_data() -> Path:
    """The folder of real inputs; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DEVISE_DATA", ROOT / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real inputs at {folder}: set DEVISE_DATA")
    return folder


def run_program(*words: str, timeout_s: float = 1_200) -> subprocess.CompletedProcess[str]:
    """Run this Python on `words` from the repository's root, as a user would."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def set_options(overrides: Sequence[str]) -> list[str]:
    """The words of a command line that override keys of its configuration."""
    return [word for override in overrides for word in ("--set", override)]


def run_pipeline(
    *words: str, overrides: Sequence[str] = (), timeout_s: float = 1_200
) -> subprocess.CompletedProcess[str]:
    """Run the pipeline on the demo's configuration with overrides."""
    config = ("--config", "conf/local.toml")
    return run_program(
        "-m", "devise_lib.pipeline", *config, *words, *set_options(overrides), timeout_s=timeout_s
    )


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of one whole run of the pipeline on a small sample; its tables stay."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all the processes of `pytest -n`: the first makes it
    folder = shared / "small_run" / "work"
    said = folder / "stdout.txt"
    with (shared / "small_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            settings = (*SMALL, *LOCAL, *CODE, f"work_dir={folder}")
            done = run_pipeline(overrides=settings, timeout_s=1_800)
            assert done.returncode == 0, done.stdout + done.stderr
            said.write_text(done.stdout, encoding="utf-8")
    assert said.exists(), "the run failed, in the process that made it: see there"
    return folder
