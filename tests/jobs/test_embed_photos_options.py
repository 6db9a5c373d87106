"""What the keys of embed_photos do that show neither in its rows nor in its faults."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from devise_lib.config_photos import EmbedPhotos
from devise_lib.spark import embedding, embedding_run
from devise_lib.spark.decoding import Reading
from devise_lib.spark.tables import Tables
from jobs import embed_photos
from tests.embedding import add_photos, mean_colour_network, picture, pretended_model

pytestmark = pytest.mark.spark

CONTENTS = {f"p{i:02d}": picture(10 * i + 5) for i in range(24)}


@pytest.fixture(scope="module", autouse=True)
def model():
    with pretended_model("devise-v1", mean_colour_network(), 4) as model:
        yield model


@pytest.fixture
def config(spark, tmp_path) -> EmbedPhotos:
    config = EmbedPhotos(work_dir=str(tmp_path / "work"), max_bad_share=1.0, batch_size=4)
    add_photos(spark, config, CONTENTS)
    return config


def run(spark, config: EmbedPhotos, **changes) -> dict[str, int]:
    return embed_photos.run(spark, config.model_copy(update=changes))


def operations(spark, config, name: str) -> list[str]:
    return [row["operation"] for row in Tables.of(spark, config).history(name).collect()]


def test_the_keys_of_reading_reach_the_tasks(spark, config, monkeypatch):
    given = {}

    def spy(photos, model, keep, reading, times):
        given["reading"] = reading
        return with_vectors(photos, model, keep, reading, times)

    with_vectors = embedding.with_vectors
    monkeypatch.setattr(embedding, "with_vectors", spy)
    keys = {"decode_threads": 3, "read_threads": 5, "ahead_bytes": 1 << 20}
    assert run(spark, config, **keys, read_timeout_s=7.0)["embeddings"] == len(CONTENTS)
    reading = given["reading"]
    assert reading == Reading(**keys, limit_s=7.0, files=reading.files)


@pytest.mark.parametrize("optimize", [True, False])
def test_rows_of_a_complete_model_are_sorted_where_that_is_wanted(
    spark, config, monkeypatch, optimize
):
    monkeypatch.setattr(embedding_run, "FILE_BYTES", 2_000)
    for part in range(3):  # each file of PHOTOS has photos from all over
        add_photos(spark, config, {f"{name}-{part}": CONTENTS[name] for name in CONTENTS})
    run(spark, config, optimize=optimize, files_per_batch=1, photos_per_task=8)
    rows = Tables.of(spark, config).read("embeddings")
    spans = rows.groupBy("_metadata.file_path").agg(F.min("photo_id"), F.max("photo_id"))
    bounds = sorted((low, high) for _, low, high in spans.collect())
    assert len(bounds) > 1
    assert all(high < low for (_, high), (low, _) in pairwise(bounds)) == optimize
    assert ("OPTIMIZE" in operations(spark, config, "embeddings")) == optimize


@pytest.mark.parametrize(("hours", "deletes"), [(0, False), (1, True)])
def test_unused_files_stay_for_as_long_as_is_wanted(spark, config, hours, deletes):
    run(spark, config)
    tables = Tables.of(spark, config)
    for path in Path(tables.path("quarantine"), "_delta_log").iterdir():
        os.utime(path, (path.stat().st_mtime - 7200,) * 2)  # as if made two hours ago
    run(spark, config, vacuum_hours=hours)
    assert ("VACUUM END" in operations(spark, config, "quarantine")) == deletes


def test_photos_are_read_from_the_table_once(spark, config):
    noise = {f"n{i}": picture(i) + os.urandom(400_000) for i in range(25)}
    add_photos(spark, config, noise)
    size = Tables.of(spark, config).detail("photos")["sizeInBytes"]
    assert size > 10_000_000

    def read() -> int:
        executors = spark.sparkContext._jsc.sc().statusStore().executorList(True)
        return sum(executors.apply(i).totalInputBytes() for i in range(executors.size()))

    before = read()
    assert run(spark, config)["embeddings"] == len(CONTENTS) + len(noise)
    assert size < read() - before < 1.5 * size
