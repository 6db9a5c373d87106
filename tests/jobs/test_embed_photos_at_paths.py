"""embed_photos over photos that stay at their paths, with a registered model and its faults."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import duckdb
import keras
import numpy as np
import pytest
from deltalake import DeltaTable

from devise_lib import tracking
from devise_lib.config.photos import EmbedPhotos
from devise_lib.errors import InputError
from devise_lib.spark.embed import run as embedding_run
from devise_lib.spark.embed.current_models import is_current, warn_if_incomplete
from devise_lib.spark.embed.stream import lock_name
from devise_lib.spark.ingest.commits import set_removed
from devise_lib.spark.job.locks import only_run
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.vision.images.decode import decode
from jobs import embed_photos
from tests.embedding import (
    MATRIX,
    add_paths,
    add_photos,
    add_rows,
    copy_of,
    photo_row,
    picture,
    register,
    results,
    rows_at_paths,
    run,
    with_registry,
)

pytestmark = pytest.mark.spark

CONTENTS = {f"p{i}": picture(30 * i + 5) for i in range(8)}
MORE = {f"q{i}": picture(30 * i + 10) for i in range(4)}


def configure(work: Path) -> EmbedPhotos:
    return EmbedPhotos(
        work_dir=str(work),
        max_bad_share=1.0,
        read_timeout_s=2.0,
        batch_size=4,
        photos_per_task=4,
    )


@pytest.fixture
def config(tmp_path, registry) -> EmbedPhotos:
    """Of a work folder without photos."""
    return with_registry(configure(tmp_path / "work"), registry)


@pytest.fixture(scope="module")
def to_do(spark, registry, tmp_path_factory) -> EmbedPhotos:
    """Of a work folder that has CONTENTS in its PHOTOS; for tests to copy."""
    config = with_registry(configure(tmp_path_factory.mktemp("photos")), registry)
    add_photos(spark, config, CONTENTS)
    return config


@pytest.fixture(scope="module")
def done(spark, to_do, tmp_path_factory) -> EmbedPhotos:
    """Of a copy of it in which a run has finished; for tests to copy."""
    config = copy_of(to_do, tmp_path_factory.mktemp("done") / "work")
    assert run(spark, config) == {"embeddings": 8, "quarantined": 0}
    return config


def reasons(config) -> dict[str, str]:
    model_id = tracking.find_registered("devise", "champion").model_id
    return {r["photo_id"]: r["reason"] for r in results(config, "quarantine", model_id)}


def embedded(config) -> dict[str, dict]:
    model_id = tracking.find_registered("devise", "champion").model_id
    return {row["photo_id"]: row for row in results(config, "embeddings", model_id)}


def test_what_cannot_be_read_has_its_class_and_is_tried_again_when_asked_for(
    spark, config, tmp_path, capfd
):
    folder = tmp_path / "photos"
    folder.mkdir()
    inside = photo_row("inside", CONTENTS["p0"])
    add_rows(spark, config, [*rows_at_paths(folder, CONTENTS), inside])
    (folder / "p1.png").unlink()
    (folder / "p2.png").write_bytes(picture(200))  # other bytes than were ingested
    (folder / "p3.png").unlink()
    os.mkfifo(folder / "p3.png")  # to open it waits for a writer, as a dead mount does
    (folder / "p4.png").unlink()
    (folder / "p4.png").mkdir()
    assert run(spark, config) == {"embeddings": 5, "quarantined": 4}
    refused = {"p1": "missing_file", "p2": "changed", "p3": "time_out", "p4": "read_error"}
    assert reasons(config) == refused
    first = embedded(config)
    assert first["p0"]["embedding"] == first["inside"]["embedding"]

    os.unlink(folder / "p3.png")
    for name in ("p1", "p3"):
        (folder / f"{name}.png").write_bytes(CONTENTS[name])
    assert run(spark, config) == {"embeddings": 5, "quarantined": 4}  # nobody asked for them
    capfd.readouterr()
    assert run(spark, config, retry=("time_out", "read_error")) == {
        "embeddings": 6,
        "quarantined": 3,
    }
    said = capfd.readouterr().out
    assert "embed_photos  2 refused photos are tried again\n" in said
    assert "embed_photos  2 new photos, 1 of them refused\n" in said
    assert reasons(config) == {k: v for k, v in refused.items() if k != "p3"}
    assert run(spark, config, retry=("missing_file",)) == {"embeddings": 7, "quarantined": 2}
    assert set(embedded(config)) == {*CONTENTS, "inside"} - {"p2", "p4"}


def test_removed_photos_are_told_apart_and_are_no_fault(spark, config, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    add_paths(spark, config, folder, CONTENTS)
    removed = ["p0", "p1", "p2"]
    ids = spark.createDataFrame([(name,) for name in removed], "photo_id string")
    assert set_removed(Tables.of(spark, config), ids, removed=True) == 3
    for name in ("p0", "p1", "p3"):  # p2 came back, p3 went since
        (folder / f"{name}.png").unlink()
    with pytest.raises(InputError, match=r"^1 of 8 photos .* most often missing_file \(1\)"):
        run(spark, config, max_bad_share=0.1)
    assert reasons(config) == {"p0": "removed", "p1": "removed", "p3": "missing_file"}
    assert run(spark, config, max_bad_share=0.125) == {"embeddings": 5, "quarantined": 3}

    (folder / "p0.png").write_bytes(CONTENTS["p0"])
    run(spark, config, retry=("removed",))
    assert reasons(config) == {"p1": "removed", "p3": "missing_file"}


def test_photos_that_were_moved_or_removed_since_they_came_are_taken_as_they_are_now(
    spark, done, tmp_path
):
    # A stream's start sees the table as it is then; this one is past that.
    config = copy_of(done, tmp_path / "work")
    folder, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    add_paths(spark, config, folder, MORE)
    tables = Tables.of(spark, config)
    moved, removed = folder / "q1.png", folder / "q2.png"
    moved.rename(elsewhere / "q1.png")
    removed.unlink()
    set_path = f"SET path = '{elsewhere}/q1.png' WHERE photo_id = 'q1'"
    spark.sql(f"UPDATE delta.`{tables.path('photos')}` {set_path}")
    set_removed(tables, spark.createDataFrame([("q2",)], "photo_id string"), removed=True)
    assert run(spark, config, max_bad_share=0.0) == {"embeddings": 11, "quarantined": 1}
    assert reasons(config) == {"q2": "removed"}
    assert set(embedded(config)) == {*CONTENTS, *MORE} - {"q2"}


def test_a_retry_is_one_commit_whatever_its_files_and_one_that_is_killed_loses_nothing(
    spark, config, tmp_path, monkeypatch
):
    folder = tmp_path / "photos"
    folder.mkdir()
    add_paths(spark, config, folder, CONTENTS, files=len(CONTENTS))
    tables = Tables.of(spark, config)
    assert tables.size("photos").files == len(CONTENTS)
    for name in CONTENTS:
        (folder / f"{name}.png").unlink()
    (folder / "p1.png").write_bytes(picture(200))  # other bytes than were ingested
    assert run(spark, config)["quarantined"] == len(CONTENTS)
    refused = {**dict.fromkeys(CONTENTS, "missing_file"), "p1": "changed"}
    assert reasons(config) == refused
    for name, content in CONTENTS.items():
        (folder / f"{name}.png").write_bytes(content)

    def dying(*_):
        raise OSError("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr("devise_lib.spark.embed.stream.Embedder.embed_stream", dying)
        with pytest.raises(OSError, match="went down"):
            run(spark, config, retry=("changed",))
    assert reasons(config) == {k: v for k, v in refused.items() if k != "p1"}
    before = tables.version("embeddings")
    whole = {"embeddings": len(CONTENTS), "quarantined": 0}
    again = {"retry": ("missing_file",), "files_per_batch": 1, "optimize": False}
    assert run(spark, config, **again, vacuum_hours=0) == whole  # p1 needs no asking again
    assert tables.version("embeddings") == before + 1


def test_features_are_kept_and_vectors_rounded_where_asked_for(spark, to_do, tmp_path):
    config = copy_of(to_do, tmp_path / "work")
    run(spark, config, store_backbone_features=True, precision="float16")
    for name, row in embedded(config).items():
        colour = np.asarray(picture_mean(CONTENTS[name]), np.float32)
        np.testing.assert_array_equal(row["feature"], colour.astype(np.float16))
        wanted = colour @ MATRIX / np.linalg.norm(colour @ MATRIX)
        np.testing.assert_array_equal(
            row["embedding"], np.asarray(row["embedding"], np.float32).astype(np.float16)
        )
        np.testing.assert_allclose(row["embedding"], wanted, atol=1e-3)
    with pytest.raises(InputError, match=r"has embedded photos with features: set .*= true"):
        run(spark, config)
    with pytest.raises(InputError, match="photos with precision float16, but this run has float32"):
        run(spark, config, store_backbone_features=True)


def picture_mean(content: bytes) -> list[float]:
    return decode(content, 16).mean(axis=(0, 1)).tolist()


def test_readers_change_over_to_a_new_model_once_it_is_complete(
    spark, done, keras_file, tmp_path, monkeypatch, capfd
):
    config = copy_of(done, tmp_path / "work")
    tables = Tables.of(spark, config)
    warn_if_incomplete(tables, tracking.find_registered("devise", "champion").model_id, "job")
    warn_if_incomplete(tables, "other", "job")
    told = [line for line in capfd.readouterr().out.splitlines() if "has made" in line]
    assert told == [
        "job  no run of embed_photos has made other current: it may not have all photos"
    ]
    first = tracking.find_registered("devise", "champion").model_id
    old = results(config, "embeddings", first)
    second = register(config, keras_file).model_id

    def current():
        return {name for name in (first, second) if is_current(tables, name)}

    def dying(*_):
        assert len(results(config, "embeddings", second)) == len(CONTENTS)
        assert current() == {first}
        raise OSError("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr(embedding_run, "complete", dying)
        with pytest.raises(OSError, match="went down"):
            run(spark, config)
    assert current() == {first}
    run(spark, config, make_current=False)
    assert current() == {first}
    run(spark, config)
    assert current() == {second}
    assert results(config, "embeddings", first) == old
    run(spark, config, keep_models=1)
    assert results(config, "embeddings", first) == []
    assert len(results(config, "embeddings", second)) == len(CONTENTS)
    run(spark, config, model="1")  # back to the old one
    assert current() == {first}
    assert [r["embedding"] for r in results(config, "embeddings", first)] == [
        r["embedding"] for r in old
    ]
    for held, rows in ((True, len(CONTENTS)), (False, 0)):  # the other one, while a run has it
        with only_run(config.work_dir, lock_name(second)) if held else contextlib.nullcontext():
            run(spark, config, model="1", keep_models=1)
        assert len(results(config, "embeddings", second)) == rows
    run(spark, config, make_current=False, keep_models=1)  # a run keeps its own model's rows
    assert current() == {first}
    assert len(results(config, "embeddings", second)) == len(CONTENTS)


def test_a_model_whose_file_is_gone_or_exchanged_is_refused_and_the_tables_stay(
    spark, to_do, tmp_path, keras_file
):
    config = configure(tmp_path / "work")
    shutil.copytree(Path(to_do.work_dir, "tables"), Path(config.work_dir, "tables"))
    register(config, keras_file)  # a file of its own
    [file] = Path(config.work_dir).rglob("*.keras")
    file.rename(file.with_suffix(".gone"))
    with pytest.raises(InputError, match=r"the files of devise-v1-.* cannot be used"):
        run(spark, config)
    inputs = keras.Input((16, 16, 3))
    other = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(inputs))
    keras.Model(inputs, other).save(file)
    with pytest.raises(Exception, match="gives 7 numbers per photo, but the registry says 4"):
        run(spark, config)
    assert embedded(config) == {}
    file.with_suffix(".gone").rename(file)
    assert run(spark, config) == {"embeddings": 8, "quarantined": 0}


def test_the_run_tells_how_far_it_is_and_what_more_photos_would_cost(
    spark, to_do, tmp_path, capfd, monkeypatch
):
    config = copy_of(to_do, tmp_path / "work")

    def job() -> tuple[str, dict[str, float]]:
        capfd.readouterr()
        with tracking.job_run(config) as run_id:
            embed_photos.run(spark, config.model_copy(update={"progress_s": 0.05}))
        return capfd.readouterr().out, tracking.MlflowClient().get_run(run_id).data.metrics

    monkeypatch.setattr(embedding_run, "LEAST_MEASURED", 8)
    said, metrics = job()
    assert "embed_photos  8 of 8 photos, " in said
    assert "photos/s on 2 cores; each stage alone would do" in said
    assert "100,000,000 photos: " in said
    assert {"photos_per_s", "predicted_hours", "predicted_cost"} <= metrics.keys()
    assert {f"photos_per_s_{s}" for s in ("read", "decode", "infer", "write")} <= metrics.keys()
    hours = 100_000_000 / metrics["photos_per_s"] / 3600
    assert metrics["predicted_hours"] == pytest.approx(hours)
    assert metrics["predicted_cost"] == pytest.approx(hours * 2 * 0.05)

    add_photos(spark, config, MORE)
    said, metrics = job()
    assert "photos/s on 2 cores" in said
    assert "100,000,000 photos" not in said  # of four photos most is the start
    assert "predicted_hours" not in metrics


def fill(ballast: Path) -> None:
    """Take all that is left of a file system."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


@pytest.mark.parametrize("part", ["tables/embeddings", "checkpoints/embed_photos"])
def test_a_full_disk_fails_the_run_and_the_next_one_goes_on(spark, done, tmp_path, part):
    """A part of the work folder on a file system of 256 kB, of which all but a little is taken."""
    config = copy_of(done, tmp_path / "work")
    folder, small = Path(config.work_dir, part), tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system wants the right to mount one")
    try:
        shutil.copytree(folder, small / "part")
        shutil.rmtree(folder)
        folder.symlink_to(small / "part")
        ballast = small / "ballast"
        fill(ballast)
        add_photos(spark, config, MORE)
        with pytest.raises(Exception, match="No space left on device"):
            run(spark, config)
        ballast.unlink()
        assert run(spark, config) == {"embeddings": 12, "quarantined": 0}
        assert set(embedded(config)) == {*CONTENTS, *MORE}
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)


def test_the_table_is_read_without_spark(spark, done, tmp_path):
    config = copy_of(done, tmp_path / "work")
    wanted = embedded(config)
    table = DeltaTable(Tables.of(spark, config).path("embeddings"))
    frame = table.to_pandas()
    assert dict(zip(frame.photo_id, map(list, frame.embedding), strict=True)) == {
        name: row["embedding"] for name, row in wanted.items()
    }
    dataset = table.to_pyarrow_dataset()  # noqa: F841  # DuckDB finds it by its name
    count = duckdb.sql("SELECT count(*) FROM dataset WHERE photo_id = 'p3'").fetchone()
    assert count == (1,)
    comments = {field.name: field.metadata.get("comment") for field in table.schema().fields}
    assert all(comments.values())
    log = Path(Tables.of(spark, config).path("embeddings"), "_delta_log")
    actions = [json.loads(line) for file in log.glob("*.json") for line in file.open()]
    stats = [json.loads(action["add"]["stats"]) for action in actions if "add" in action]
    assert stats
    assert all(each["minValues"].keys() == {"photo_id", "model_id"} for each in stats)
