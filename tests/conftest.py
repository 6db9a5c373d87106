"""One Spark session for the whole run; a test starts its own only where that is its subject."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ROOT = Path(__file__).parents[1]

# The default deadline of 0.2 s an example fails tests on a machine that is busy, for no fault.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:  # noqa: F821
    from devise_lib.spark.session import (  # here, so that other tests need no Spark
        log_to,
        start_session,
    )

    settings = {
        "master": "local[2]",  # workers are processes, so a pickling fault shows
        "driver.memory": "2g",
        "sql.shuffle.partitions": "2",
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
