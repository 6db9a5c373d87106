"""embed_photos, killed and run again: each photo is in EMBEDDINGS or in QUARANTINE, once."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.errors import StreamingQueryException

from devise_lib.config.photos import EmbedPhotos
from devise_lib.errors import InputError
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.reasons import Reason
from devise_lib.spark.embed import run as embedding_run
from devise_lib.spark.embed import stream
from devise_lib.spark.embed.current_models import is_current, make_current
from devise_lib.spark.embed.stream import Embedder, lock_name
from devise_lib.spark.job.locks import only_run
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.vision.images.decode import Refusal, decode
from jobs import embed_photos
from tests.embedding import (
    MATRIX,
    add_photos,
    add_rows,
    mean_colour_network,
    photo_row,
    picture,
    pretended_model,
    results,
)

pytestmark = pytest.mark.spark

MODEL = "devise-v1"
CONTENTS = {f"p{i:02d}": picture(20 * i + 5) for i in range(12)}
CONTENTS |= {"p03": CONTENTS["p03"][:50], "p08": b"\xff\xd8 no JPEG"}
BAD = {"p03", "p08"}
WHOLE = {"embeddings": 10, "quarantined": 2}


@pytest.fixture(scope="module", autouse=True)
def model():
    """The model that the registry names; a test may rename it."""
    with pretended_model(MODEL, mean_colour_network(), 4) as model:
        yield model


def configure(work_dir: Path) -> EmbedPhotos:
    return EmbedPhotos(work_dir=str(work_dir), files_per_batch=1, batch_size=3, max_bad_share=0.5)


@pytest.fixture(scope="module")
def to_do(spark, tmp_path_factory) -> Path:
    """A work folder whose PHOTOS lie in two files, so that they make two micro-batches."""
    config = configure(tmp_path_factory.mktemp("photos"))
    ids = list(CONTENTS)
    for part in (ids[:5], ids[5:]):
        add_photos(spark, config, {name: CONTENTS[name] for name in part})
    return Path(config.work_dir)


@pytest.fixture(scope="module")
def done(spark, to_do, tmp_path_factory) -> Path:
    """The same work folder after a run."""
    folder = shutil.copytree(to_do, tmp_path_factory.mktemp("done") / "work")
    assert embed_photos.run(spark, configure(folder)) == WHOLE
    return folder


@pytest.fixture
def config(done, tmp_path) -> EmbedPhotos:
    """Of a work folder of the test's own in which a run has finished."""
    return configure(shutil.copytree(done, tmp_path / "my work [1]"))


def rows_of(config, name, model_id=MODEL):
    return results(config, name, model_id)


def assert_each_once(config, model_id=MODEL, wanted=tuple(CONTENTS)):
    """Every photo has its vector or its reason, once, and they are what one loop would give."""
    embedded = rows_of(config, "embeddings", model_id)
    refused = rows_of(config, "quarantine", model_id)
    assert [row["photo_id"] for row in embedded] == [i for i in wanted if i not in BAD]
    assert [row["photo_id"] for row in refused] == [i for i in wanted if i in BAD]
    for row in embedded:
        mean = decode(CONTENTS[row["photo_id"]], 16).mean(axis=(0, 1))
        np.testing.assert_allclose(
            row["embedding"], l2_normalize(mean[None] @ MATRIX)[0], atol=1e-5
        )
        assert (row["photo_set"], row["label"]) == ("set", "cat")
    for row in refused:
        refusal = decode(CONTENTS[row["photo_id"]], 16)
        assert isinstance(refusal, Refusal)
        assert (row["reason"], row["message"]) == (refusal.reason.value, refusal.message)
        assert (row["stage"], row["path"]) == ("embed_photos", f"/{row['photo_id']}.png")


def versions(spark, config):
    return [Tables.of(spark, config).version(name) for name in ("embeddings", "quarantine")]


def transactions(config, name) -> list[dict]:
    folder = Path(config.work_dir) / "tables" / name / "_delta_log"
    actions = (
        json.loads(line)
        for path in sorted(folder.glob("*.json"))
        for line in path.read_text().splitlines()
    )
    return [action["txn"] for action in actions if "txn" in action]


def test_every_photo_is_embedded_or_refused(done):
    assert_each_once(configure(done))


def test_a_micro_batch_is_written_under_the_streams_id_and_its_own_number(done):
    for name in ("embeddings", "quarantine"):
        written = transactions(configure(done), name)
        [stream] = {txn["appId"] for txn in written}
        assert re.fullmatch(r"embed_photos:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", stream)
        assert [txn["version"] for txn in written] == [0, 1]


def test_a_second_run_has_nothing_to_do_until_there_are_new_photos(spark, config, monkeypatch):
    before, scheduler = versions(spark, config), spark.sparkContext._jsc.sc().dagScheduler()
    jobs = scheduler.numTotalJobs()
    assert embed_photos.run(spark, config) == WHOLE
    assert scheduler.numTotalJobs() == jobs  # what the last run has put down is enough
    assert versions(spark, config) == before

    monkeypatch.setitem(CONTENTS, "p12", picture(250))
    add_photos(spark, config, {"p12": CONTENTS["p12"]})
    assert embed_photos.run(spark, config) == {"embeddings": 11, "quarantined": 2}
    assert_each_once(config, wanted=tuple(CONTENTS))


def test_with_a_lost_checkpoint_nothing_is_doubled(spark, config):
    before = [rows_of(config, name) for name in ("embeddings", "quarantine")]
    shutil.rmtree(Path(config.work_dir) / "checkpoints")
    assert embed_photos.run(spark, config) == WHOLE
    assert [rows_of(config, name) for name in ("embeddings", "quarantine")] == before


@pytest.mark.parametrize(
    ("fatal_write", "checkpoint_lost"),
    [(2, False), (4, True)],
    ids=["between the tables", "in the second batch, with its checkpoint"],
)
def test_a_run_that_is_killed_goes_on_as_if_nothing_had_been(
    spark, to_do, tmp_path, monkeypatch, fatal_write, checkpoint_lost
):
    config = configure(shutil.copytree(to_do, tmp_path / "work"))
    append, written = Tables.append, []

    def dying(self, name, df, **options):
        if "txnVersion" in options:
            written.append(name)
            if len(written) == fatal_write:
                raise OSError("the machine went down")
        return append(self, name, df, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Tables, "append", dying)
        with pytest.raises(StreamingQueryException, match="the machine went down"):
            embed_photos.run(spark, config)
    assert len(written) == fatal_write
    before = {name: rows_of(config, name) for name in ("embeddings", "quarantine")}
    assert before["embeddings"], "it died half way"
    if checkpoint_lost:  # of the first batch, too, of which nothing is left to do
        shutil.rmtree(Path(config.work_dir) / "checkpoints")
    assert embed_photos.run(spark, config) == WHOLE
    assert_each_once(config)
    for name, rows in before.items():  # what the first run has written is as it was
        after = rows_of(config, name)
        assert all(row in after for row in rows)


def test_another_model_embeds_every_photo_anew_beside_the_first(spark, config, model, monkeypatch):
    before = rows_of(config, "embeddings")
    monkeypatch.setattr(model, "model_id", "devise-v2")
    assert embed_photos.run(spark, config.model_copy(update={"files_per_batch": 2})) == WHOLE
    assert_each_once(config, "devise-v2")
    assert rows_of(config, "embeddings") == before


def test_a_run_that_another_model_overtakes_is_not_taken_for_the_last_word(
    spark, to_do, tmp_path, monkeypatch
):
    config = configure(shutil.copytree(to_do, tmp_path / "work"))
    complete = embedding_run.complete

    def overtaken(tables, *rest):
        complete(tables, *rest)
        make_current(tables, "another")

    with monkeypatch.context() as patch:
        patch.setattr(embedding_run, "complete", overtaken)
        embed_photos.run(spark, config)
    tables = Tables.of(spark, config)
    assert not is_current(tables, MODEL)
    assert embed_photos.run(spark, config) == WHOLE
    assert is_current(tables, MODEL)


def test_too_many_bad_photos_fail_the_job_and_are_on_record(spark, config):
    strict = config.model_copy(update={"max_bad_share": 0.1})
    with pytest.raises(InputError, match=r"2 of 12 photos are refused, .*raise embed_photos\.max"):
        embed_photos.run(spark, strict)
    assert len(rows_of(config, "quarantine")) == 2


def test_a_result_that_somebody_deleted_is_made_again(spark, config):
    before = rows_of(config, "embeddings")
    path = Tables.of(spark, config).path("embeddings")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE photo_id IN ('p05', 'p06')")
    assert embed_photos.run(spark, config) == WHOLE
    assert_each_once(config)
    for old, new in zip(before, rows_of(config, "embeddings"), strict=True):
        assert new["embedding"] == old["embedding"]  # to the bit, in whatever batch


def test_results_without_photos_are_told(spark, config):
    path = Tables.of(spark, config).path("photos")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE photo_id = 'p05'")
    with pytest.raises(InputError, match="11 photos, but devise-v1 embedded 10, refused 2") as told:
        embed_photos.run(spark, config)
    statements = re.findall(r"MERGE INTO .*? THEN DELETE", str(told.value))
    assert len(statements) == 2
    for statement in statements:
        spark.sql(statement)
    assert embed_photos.run(spark, config) == {"embeddings": 9, "quarantined": 2}
    assert_each_once(config, wanted=[name for name in CONTENTS if name != "p05"])


def test_photos_that_change_and_go_while_a_run_is_at_it_do_not_end_it(
    spark, to_do, tmp_path, monkeypatch
):
    config = configure(shutil.copytree(to_do, tmp_path / "work"))
    embed, at = Embedder._embed, []

    def changing(self, *values, **keys):
        at.append(values)
        if len(at) == 1:  # the second batch has p05 to p11
            add_rows(spark, config, [photo_row("p07", picture(77), revision=2)])
            path = Tables.of(spark, config).path("photos")
            gone = "photo_id = 'p09' OR photo_id = 'p07' AND revision = 1"
            spark.sql(f"DELETE FROM delta.`{path}` WHERE {gone}")
        embed(self, *values, **keys)

    wanted = [name for name in CONTENTS if name != "p09"]
    with monkeypatch.context() as patch:
        patch.setattr(Embedder, "_embed", changing)
        assert embed_photos.run(spark, config) == {"embeddings": 9, "quarantined": 2}
    assert len(at) >= 2
    assert_each_once(config, wanted=wanted)  # p07 as it was when the run began
    monkeypatch.setitem(CONTENTS, "p07", picture(77))
    assert embed_photos.run(spark, config) == {"embeddings": 9, "quarantined": 2}
    assert_each_once(config, wanted=wanted)


def test_photos_that_somebody_deleted_and_ingested_again_are_not_doubled(spark, config):
    path = Tables.of(spark, config).path("photos")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE photo_id IN ('p05', 'p06', 'p08')")
    for names in (["p05"], ["p06", "p08"]):  # the first batch is compared in any case
        add_photos(spark, config, {name: CONTENTS[name] for name in names})
    assert embed_photos.run(spark, config) == WHOLE
    assert_each_once(config)


def test_a_photo_that_was_ingested_anew_has_the_result_of_its_newest_revision_alone(
    spark, config, monkeypatch
):
    fresh = {"p02": picture(77), "p03": picture(123), "p05": b"broken since", "p12": picture(99)}
    for name, content in fresh.items():
        monkeypatch.setitem(CONTENTS, name, content)
    rows = [photo_row(name, content, revision=2) for name, content in fresh.items()]
    # Of p12 both revisions are new and in one file, as a killed ingest leaves them.
    add_rows(spark, config, [photo_row("p12", picture(1)), *rows])
    path = Tables.of(spark, config).path("photos")
    superseded = "photo_id IN ('p02', 'p03', 'p05') AND revision = 1"
    spark.sql(f"DELETE FROM delta.`{path}` WHERE {superseded}")
    monkeypatch.setattr("tests.jobs.test_embed_photos.BAD", {"p05", "p08"})
    assert embed_photos.run(spark, config) == {"embeddings": 11, "quarantined": 2}
    assert_each_once(config, wanted=tuple(CONTENTS))


def test_a_second_try_at_the_same_time_stops(spark, config):
    running = r"embed_photos-devise-v1 is running .* process \d+"
    with (
        only_run(config.work_dir, lock_name(MODEL)),
        pytest.raises(InputError, match=running),
    ):
        embed_photos.run(spark, config)
    assert embed_photos.run(spark, config) == WHOLE


def test_a_run_stops_early_where_most_photos_are_bad(spark, to_do, tmp_path, monkeypatch):
    config = configure(shutil.copytree(to_do, tmp_path / "work"))
    monkeypatch.setattr(stream, "MIN_TRIED", 3)
    strict = config.model_copy(update={"max_bad_share": 0.1})
    with pytest.raises(StreamingQueryException, match=r"1 of 5 photos are refused, above max_bad"):
        embed_photos.run(spark, strict)  # the first of two batches
    assert len(rows_of(config, "embeddings")) == 4
    assert embed_photos.run(spark, config) == WHOLE
    assert_each_once(config)


def test_a_retry_in_vain_is_measured_against_all_photos(spark, config, monkeypatch):
    monkeypatch.setattr(stream, "MIN_TRIED", 1)
    before = versions(spark, config)
    again = config.model_copy(update={"retry": tuple(Reason)})
    assert embed_photos.run(spark, again) == WHOLE
    assert versions(spark, config) != before
    assert_each_once(config)


def test_without_photos_the_job_that_makes_them_is_asked_for(spark, tmp_path):
    with pytest.raises(InputError, match="no table photos at"):
        embed_photos.run(spark, configure(tmp_path))
