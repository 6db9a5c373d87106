"""embed_photos over a table that grows while it runs, and what later runs find of it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from devise_lib import tracking
from devise_lib.config.photos import EmbedPhotos
from devise_lib.errors import InputError
from devise_lib.spark.embed import run as embedding_run
from devise_lib.spark.embed import stream
from devise_lib.spark.embed.current_models import is_current, make_current
from devise_lib.spark.ingest.commits import set_removed
from devise_lib.spark.tables.analyst_sql import CURRENT_EMBEDDINGS
from devise_lib.spark.tables.delta_tables import Tables
from tests.embedding import (
    add_photos,
    add_rows,
    copy_of,
    photo_row,
    picture,
    register,
    results,
    run,
    with_registry,
)
from tests.rows import read_rows

pytestmark = pytest.mark.spark

FIRST = {f"a{i}": picture(20 * i + 5) for i in range(6)}
LATER = {f"b{i}": picture(20 * i + 15) for i in range(4)}
PATIENCE_S = 120.0


def configure(work: Path) -> EmbedPhotos:
    return EmbedPhotos(work_dir=str(work), batch_size=4, progress_s=0.2)


@pytest.fixture
def config(tmp_path, registry) -> EmbedPhotos:
    """Of a work folder without photos."""
    return with_registry(configure(tmp_path / "work"), registry)


@pytest.fixture(scope="module")
def to_do(spark, registry, tmp_path_factory) -> EmbedPhotos:
    """Of a work folder that has FIRST in its PHOTOS; for tests to copy."""
    config = with_registry(configure(tmp_path_factory.mktemp("photos")), registry)
    add_photos(spark, config, FIRST)
    return config


@pytest.fixture(scope="module")
def done(spark, to_do, tmp_path_factory) -> EmbedPhotos:
    """Of a copy of it in which a run has finished; for tests to copy."""
    config = copy_of(to_do, tmp_path_factory.mktemp("done") / "work")
    assert run(spark, config) == {"embeddings": 6, "quarantined": 0}
    return config


def photos_in(config, name: str) -> set[str]:
    """The photos in a table, read without Spark, beside the run."""
    try:
        return {row["photo_id"] for row in read_rows(config.work_dir, name, ["photo_id"])}
    except TableNotFoundError:
        return set()


def embedded(config) -> set[str]:
    return photos_in(config, "embeddings")


WaitUntil = Callable[[Callable[[], bool]], None]


@contextmanager
def stopped_after(act: Callable[[WaitUntil], None]) -> Iterator[None]:
    """Act beside the body, then ask it to stop as a scheduler does."""
    ended = threading.Event()

    def wait_until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            assert not ended.wait(0.1)

    def act_and_stop() -> None:
        try:
            act(wait_until)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a run that fails hears no signal
    try:
        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(act_and_stop)
            try:
                yield
            finally:
                ended.set()
            acting.result()
    finally:
        signal.signal(signal.SIGTERM, handler)


def pack_and_delete(spark, config) -> list[Path]:
    """Pack PHOTOS, and delete the files of before, as VACUUM does once they are old enough."""
    Tables.of(spark, config).pack("photos", 1 << 20)
    photos = Path(config.work_dir, "tables", "photos")
    live = {Path(uri).name for uri in DeltaTable(str(photos)).file_uris()}
    old = [path for path in photos.glob("*.parquet") if path.name not in live]
    for path in old:
        path.unlink()
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
    return old


def test_it_takes_new_photos_until_it_is_stopped(
    spark, to_do, tmp_path, monkeypatch, capfd, caplog
):
    config = copy_of(to_do, tmp_path / "work")
    tables = Tables.of(spark, config, run_id="of another model")
    model_id = tracking.find_registered("devise", "champion").model_id
    tidied: list[set[str]] = []

    def tidy(*args, **options):
        before = tidied[-1] if tidied else set()
        tidied.append(embedded(config))
        if "c" in tidied[-1] - before:  # the stream waits meanwhile, and then has to begin anew
            add_photos(spark, config, {"d": picture(251), "e": picture(252)}, files=2)
            pack_and_delete(spark, config)
        pack_and_vacuum(*args, **options)

    pack_and_vacuum = embedding_run.tidy
    monkeypatch.setattr(embedding_run, "tidy", tidy)
    monkeypatch.setattr(stream, "SPARE_FILES", 1)
    everything = set(FIRST) | set(LATER)
    photos = tables.folder("photos")

    def act(wait_until: WaitUntil) -> None:
        wait_until(lambda: embedded(config) == set(FIRST))
        wait_until(lambda: is_current(tables, model_id))  # before the run ends
        make_current(tables, "another")
        add_photos(spark, config, LATER)
        wait_until(lambda: embedded(config) == everything)
        wait_until(lambda: everything in tidied)
        # Deleted and ingested again: the run began without results, and knows them all the same.
        spark.sql(f"DELETE FROM delta.`{photos}` WHERE photo_id IN ('a0', 'b1')")
        add_photos(spark, config, {"a0": FIRST["a0"], "b1": LATER["b1"], "c": picture(250)})
        wait_until(lambda: "c" in embedded(config))
        wait_until(lambda: embedded(config) >= {"d", "e"})

    with stopped_after(act):
        counts = run(spark, config, poll_interval_s=0.5)
    assert counts == {"embeddings": 13, "quarantined": 0}
    assert len(caplog.records) == 1  # of the stream that could not go on; a stop is no fault
    assert tidied[0] == set(FIRST)  # before it waits for more
    assert is_current(tables, "another")  # readers are not taken back
    told = capfd.readouterr().out
    assert "all 6 photos have their result; looking for new ones" in told
    assert "PHOTOS is not what the last stream read" in told
    make_current(tables, model_id)
    before = tables.version("embeddings")
    assert run(spark, config) == {"embeddings": 13, "quarantined": 0}
    assert tables.version("embeddings") == before


def test_a_live_run_of_which_too_many_are_bad_in_the_end_fails_when_it_is_stopped(
    spark, to_do, tmp_path
):
    config = copy_of(to_do, tmp_path / "work")
    bad = {"bad": b"no photo", "worse": b""}

    def act(wait_until: WaitUntil) -> None:
        wait_until(lambda: embedded(config) == set(FIRST))
        add_photos(spark, config, {**LATER, **bad})
        wait_until(lambda: photos_in(config, "quarantine") == set(bad))  # the batch's last commit

    with (
        pytest.raises(InputError, match=r"^2 of 12 photos are refused, above max_bad_share = 0.1"),
        stopped_after(act),
    ):
        run(spark, config, poll_interval_s=0.5, max_bad_share=0.1)


def test_a_live_run_that_is_stopped_before_it_has_caught_up_shows_nothing_yet(spark, config):
    photos = FIRST | LATER
    add_photos(spark, config, photos, files=len(photos))  # a micro-batch each
    with (
        pytest.raises(InputError, match=r"stopped with [1-9] of 10 photos done: run it again"),
        stopped_after(lambda wait_until: wait_until(lambda: embedded(config) != set())),
    ):
        run(spark, config, poll_interval_s=0.5, files_per_batch=1)
    assert set() < embedded(config) < set(photos)
    model_id = tracking.find_registered("devise", "champion").model_id
    assert not is_current(Tables.of(spark, config), model_id)
    assert run(spark, config) == {"embeddings": len(photos), "quarantined": 0}
    assert is_current(Tables.of(spark, config), model_id)


def test_a_live_run_does_not_show_a_model_that_refused_too_many(spark, config):
    add_photos(spark, config, FIRST | {f"bad{i}": b"no photo" for i in range(6)})
    with pytest.raises(InputError, match="6 of 12 photos are refused"):
        run(spark, config, poll_interval_s=0.5, max_bad_share=0.2)
    model_id = tracking.find_registered("devise", "champion").model_id
    assert not is_current(Tables.of(spark, config), model_id)


def forget_log(spark) -> None:
    """Another process would read the log anew."""
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def test_a_stream_that_cannot_go_on_begins_anew(spark, done, tmp_path, capfd):
    config = copy_of(done, tmp_path / "work")
    photos = Path(config.work_dir, "tables", "photos")
    names = list(LATER)
    for part in (names[:2], names[2:]):
        add_photos(spark, config, {name: LATER[name] for name in part})
    DeltaTable(str(photos)).create_checkpoint()
    logs = sorted((photos / "_delta_log").glob("*.json"))
    for path in logs[:-1]:  # as Delta does after the log's retention
        path.unlink()
        (path.parent / f".{path.name}.crc").unlink(missing_ok=True)
    forget_log(spark)
    capfd.readouterr()
    assert run(spark, config) == {"embeddings": 10, "quarantined": 0}
    assert "looking at all photos" in capfd.readouterr().out
    assert run(spark, config) == {"embeddings": 10, "quarantined": 0}
    model_id = tracking.find_registered("devise", "champion").model_id
    rows = results(config, "embeddings", model_id)
    assert [row["photo_id"] for row in rows] == sorted([*FIRST, *LATER])


def test_a_stream_whose_next_files_were_packed_and_deleted_begins_anew(
    spark, done, tmp_path, capfd
):
    config = copy_of(done, tmp_path / "work")
    add_photos(spark, config, LATER, files=len(LATER))
    assert len(pack_and_delete(spark, config)) >= len(LATER)
    capfd.readouterr()
    assert run(spark, config) == {"embeddings": 10, "quarantined": 0}
    assert "looking at all photos" in capfd.readouterr().out


def test_photos_that_were_ingested_into_a_new_table_are_found(spark, done, tmp_path):
    config = copy_of(done, tmp_path / "work")
    photos = Path(config.work_dir, "tables", "photos")
    photos.rename(photos.with_name("old"))
    forget_log(spark)
    add_photos(spark, config, FIRST | LATER)
    assert run(spark, config) == {"embeddings": 10, "quarantined": 0}


def test_with_a_catalog_a_view_shows_the_current_models_rows(spark, config, keras_file):
    spark.sql("CREATE DATABASE IF NOT EXISTS devise_view")
    try:
        inside = config.model_copy(update={"catalog": "devise_view"})
        add_photos(spark, config, FIRST)  # by path alone
        run(spark, inside)
        first = tracking.find_registered("devise", "champion").model_id
        second = register(config, keras_file).model_id

        def shown() -> set[tuple[str, str]]:
            view = spark.table(f"devise_view.{CURRENT_EMBEDDINGS}")
            return {tuple(row) for row in view.select("model_id", "photo_id").collect()}

        run(spark, inside, make_current=False)
        assert spark.table("devise_view.embeddings").count() == 2 * len(FIRST)
        assert shown() == {(first, name) for name in FIRST}
        run(spark, inside)
        assert shown() == {(second, name) for name in FIRST}
        removed, changed, *others = sorted(FIRST)
        ids = spark.createDataFrame([(removed,)], "photo_id string")
        set_removed(Tables.of(spark, inside), ids, removed=True)
        add_rows(spark, inside, [photo_row(changed, b"other bytes", revision=2)])
        assert shown() == {(second, name) for name in others}
    finally:
        spark.sql("DROP DATABASE devise_view CASCADE")
