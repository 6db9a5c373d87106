import os
import shutil
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

from devise_lib.config.photos import EmbedPhotos
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.maintenance import is_scattered, vacuum
from devise_lib.spark.tables.schemas import EMBEDDINGS, QUARANTINE
from tests.rows import row_of

pytestmark = pytest.mark.spark

HOURS = 168


@pytest.fixture(scope="module")
def empty(spark, tmp_path_factory) -> Path:
    """A work folder with empty tables of results; for tests to copy."""
    folder = tmp_path_factory.mktemp("empty")
    tables = Tables.of(spark, EmbedPhotos(work_dir=str(folder)))
    tables.create_if_missing("embeddings")
    tables.create_if_missing("quarantine")
    return folder


@pytest.fixture
def tables(spark, empty, tmp_path) -> Tables:
    folder = shutil.copytree(empty, tmp_path / "work")
    return Tables.of(spark, EmbedPhotos(work_dir=str(folder)))


def stored(tables: Tables, name: str) -> DeltaTable:
    """The table, to be read without Spark."""
    return DeltaTable(tables.path(name))


def left_over(tables: Tables, name: str) -> Path:
    """A file that no version has, as a killed task leaves it; older than HOURS."""
    path = Path(tables.path("quarantine"), name)
    path.write_bytes(b"x")
    age(path)
    return path


def age(path: Path) -> None:
    then = time.time() - (HOURS + 1) * 3600
    os.utime(path, (then, then))


def test_files_of_no_version_go_once_in_a_period_and_not_before_it(tables):
    first = left_over(tables, "first.parquet")
    vacuum(tables, "quarantine", HOURS)
    assert first.exists()  # the table is younger than that
    assert tables.version("quarantine") == 0
    for path in Path(tables.path("quarantine"), "_delta_log").iterdir():
        age(path)
    vacuum(tables, "quarantine", HOURS)
    assert not first.exists()
    version = tables.version("quarantine")
    assert version > 0
    second = left_over(tables, "second.parquet")
    vacuum(tables, "quarantine", HOURS)
    assert second.exists()
    assert tables.version("quarantine") == version
    assert tables.read("quarantine").count() == 0


def test_a_table_of_many_small_files_is_scattered_until_it_is_packed(tables, spark, monkeypatch):
    monkeypatch.setattr("devise_lib.spark.tables.maintenance.SPARE_FILES", 10)
    rows = [row_of(QUARANTINE, photo_id=f"p{i}", model_id="m") for i in range(15)]
    tables.append("quarantine", spark.createDataFrame(rows[:5], QUARANTINE).repartition(5))
    assert not is_scattered(tables, "quarantine")
    tables.append("quarantine", spark.createDataFrame(rows[5:], QUARANTINE).repartition(10))
    assert is_scattered(tables, "quarantine")
    tables.pack("quarantine", 1 << 20)
    assert not is_scattered(tables, "quarantine")
    packed = stored(tables, "quarantine")
    assert len(packed.file_uris()) == 1
    assert packed.to_pyarrow_table().num_rows == 15


@pytest.mark.parametrize(("sorted_bytes", "stays"), [(1 << 30, False), (1, True)])
def test_what_is_sorted_is_sorted_again_until_there_is_enough_of_it(
    tables, spark, monkeypatch, sorted_bytes, stays
):
    monkeypatch.setattr("devise_lib.spark.tables.delta_tables.SORTED_BYTES", sorted_bytes)

    def pack(*names: str) -> set[str]:
        ids = [f"{name}{i}" for name in names for i in range(20)]
        rows = [row_of(EMBEDDINGS, photo_id=each, model_id="m") for each in ids]
        if rows:  # in as many files as names
            df = spark.createDataFrame(rows, EMBEDDINGS).repartition(len(names))
            tables.append("embeddings", df)
        tables.pack("embeddings", 1 << 20)
        return set(stored(tables, "embeddings").file_uris())

    first = pack("a", "b")
    assert len(first) == 1
    second = pack("c", "d")
    assert first <= second if stays else not first & second
    assert len(second) == 1 + stays
    assert pack() == second
    photos = stored(tables, "embeddings").to_pyarrow_table(columns=["photo_id"])["photo_id"]
    assert len(set(photos.to_pylist())) == 80
