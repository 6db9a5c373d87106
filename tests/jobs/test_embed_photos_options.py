"""What the keys of embed_photos do that show neither in its rows nor in its faults."""

import os
import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from devise_lib.config.photos import EmbedPhotos
from devise_lib.spark.embed import run as embedding_run
from devise_lib.spark.embed import stream
from devise_lib.spark.photos.decoding import Reading
from devise_lib.spark.tables.delta_tables import Tables
from jobs import embed_photos
from tests.embedding import add_photos, mean_colour_network, picture, pretended_model

pytestmark = pytest.mark.spark

CONTENTS = {f"p{i:02d}": picture(10 * i + 5) for i in range(24)}
READING = {"decode_threads": 3, "read_threads": 5, "prefetch_bytes": 1 << 20}


@pytest.fixture(scope="module", autouse=True)
def model():
    with pretended_model("devise-v1", mean_colour_network(), 4) as model:
        yield model


def configure(work: Path) -> EmbedPhotos:
    return EmbedPhotos(work_dir=str(work), max_bad_share=1.0, batch_size=4)


@pytest.fixture(scope="module")
def to_do(spark, tmp_path_factory) -> Path:
    """A work folder that has CONTENTS in its PHOTOS; for tests to copy."""
    folder = tmp_path_factory.mktemp("photos")
    add_photos(spark, configure(folder), CONTENTS)
    return folder


@pytest.fixture(scope="module")
def in_two_files(spark, to_do, tmp_path_factory) -> Path:
    """The same with photos in a second file of PHOTOS; each file has photos from all over."""
    folder = shutil.copytree(to_do, tmp_path_factory.mktemp("two") / "work")
    others = {f"{name}-{part}": CONTENTS[name] for part in range(3) for name in CONTENTS}
    add_photos(spark, configure(folder), others)
    return folder


@pytest.fixture(scope="module")
def done(spark, to_do, tmp_path_factory) -> SimpleNamespace:
    """Another copy after a run that was told how to read, and what its tasks were given."""
    folder = shutil.copytree(to_do, tmp_path_factory.mktemp("done") / "work")
    given = {}

    def spy(photos, model, keep, reading, times):
        given["reading"] = reading
        return with_vectors(photos, model, keep, reading, times)

    with_vectors = stream.with_vectors
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "with_vectors", spy)
        counts = run(spark, configure(folder), **READING, read_timeout_s=7.0)
    return SimpleNamespace(folder=folder, counts=counts, reading=given["reading"])


def run(spark, config: EmbedPhotos, **changes) -> dict[str, int]:
    return embed_photos.run(spark, config.model_copy(update=changes))


def operations(spark, config, name: str) -> list[str]:
    return [commit.operation for commit in Tables.of(spark, config).commits(name)]


def spans(config, name: str) -> list[tuple[str, str]]:
    """The first and the last photo of each of the table's files."""
    files = DeltaTable(Path(config.work_dir, "tables", name)).file_uris()
    ids = [pq.ParquetFile(file).read(["photo_id"])["photo_id"].to_pylist() for file in files]
    return sorted((min(each), max(each)) for each in ids)


def test_the_keys_of_reading_reach_the_tasks(done):
    assert done.counts["embeddings"] == len(CONTENTS)
    assert done.reading == Reading(**READING, limit_s=7.0, access=done.reading.access)


@pytest.mark.parametrize("optimize", [True, False])
def test_rows_of_a_complete_model_are_sorted_where_that_is_wanted(
    spark, in_two_files, tmp_path, monkeypatch, optimize
):
    monkeypatch.setattr(embedding_run, "FILE_BYTES", 2_000)
    config = configure(shutil.copytree(in_two_files, tmp_path / "work"))
    run(spark, config, optimize=optimize, files_per_batch=1, photos_per_task=8)
    bounds = spans(config, "embeddings")
    assert len(bounds) > 1
    assert all(high < low for (_, high), (low, _) in pairwise(bounds)) == optimize
    assert ("OPTIMIZE" in operations(spark, config, "embeddings")) == optimize


@pytest.mark.parametrize(("hours", "deletes"), [(0, False), (1, True)])
def test_unused_files_stay_for_as_long_as_is_wanted(spark, done, tmp_path, hours, deletes):
    config = configure(shutil.copytree(done.folder, tmp_path / "work"))
    tables = Tables.of(spark, config)
    for path in Path(tables.path("quarantine"), "_delta_log").iterdir():
        os.utime(path, (path.stat().st_mtime - 7200,) * 2)  # as if made two hours ago
    run(spark, config, vacuum_hours=hours)
    assert ("VACUUM END" in operations(spark, config, "quarantine")) == deletes


def test_photos_are_read_from_the_table_once(spark, to_do, tmp_path):
    config = configure(shutil.copytree(to_do, tmp_path / "work"))
    noise = {f"n{i}": picture(i) + os.urandom(400_000) for i in range(25)}
    add_photos(spark, config, noise)
    size = Tables.of(spark, config).size("photos").size_bytes
    assert size > 10_000_000

    def read() -> int:
        executors = spark.sparkContext._jsc.sc().statusStore().executorList(True)
        return sum(executors.apply(i).totalInputBytes() for i in range(executors.size()))

    before = read()
    assert run(spark, config)["embeddings"] == len(CONTENTS) + len(noise)
    assert size < read() - before < 1.5 * size
