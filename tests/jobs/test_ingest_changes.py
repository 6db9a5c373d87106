"""What a later run of ingest_photos does with files: new, changed, gone, back, or as before."""

import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devise_lib.config.photos import IngestPhotos
from devise_lib.errors import InputError
from devise_lib.spark.ingest import run as ingesting
from devise_lib.spark.photos.superseded import drop_superseded
from devise_lib.spark.tables.delta_tables import Tables
from tests.jobs.test_ingest_photos import configure, picture, read, write_folder

pytestmark = pytest.mark.spark

FILES = {
    **{f"cat/{i}.png": picture(i) for i in range(1, 6)},
    "dog/notes.png": b"no photo",
    "dog/empty.png": b"",
}


def at(path: Path, seconds: int) -> None:
    """Give a file a time of its own, so that no test depends on the clock's steps."""
    os.utime(path, (1_600_000_000 + seconds, 1_600_000_000 + seconds))


@pytest.fixture(scope="module")
def first(spark, tmp_path_factory) -> Path:
    """A work folder as a first run over `FILES` left it; its paths are those of `replay`."""
    folder = tmp_path_factory.mktemp("first")
    source = write_folder(folder / "SOURCE", FILES)
    for path in source.rglob("*.png"):
        at(path, 0)
    config = of(folder)
    assert ingesting.ingest(Tables.of(spark, config), config)["photos"] == 5
    return folder


def of(folder: Path, **values) -> IngestPhotos:
    source = {"path": str(folder / "SOURCE"), **values.pop("source", {})}
    return configure(folder / "work", source, **values)


@pytest.fixture
def ground(first, tmp_path_factory) -> Path:
    """The folder `first` with its source and its tables, put back as they were afterwards."""
    kept = shutil.copytree(first, tmp_path_factory.mktemp("kept") / "copy")
    yield first
    shutil.rmtree(first)
    shutil.copytree(kept, first)


def ingest(spark, config) -> dict[str, int]:
    return ingesting.ingest(Tables.of(spark, config), config)


def rows(config, name="photos") -> dict[str, dict]:
    """The rows by their paths below the source."""
    found = read(config, name)
    by_path = {row["path"].partition("SOURCE/")[2]: row for row in found}
    assert len(by_path) == len(found)
    return by_path


def test_what_is_as_it_was_is_not_opened_and_nothing_is_committed(spark, ground):
    config = of(ground)
    for path in (ground / "SOURCE").rglob("*.png"):  # whoever reads one of these would see
        size = path.stat().st_size
        if size:
            path.write_bytes(bytes(size))  # other bytes of the same size
            at(path, 0)
    before = sorted((ground / "work").glob("tables/*/_delta_log/*.json"))
    assert ingest(spark, config) == {"photos": 0, "quarantined": 0, "unchanged": 7}
    assert sorted((ground / "work").glob("tables/*/_delta_log/*.json")) == before


def change_much(source: Path) -> None:
    """Of each kind of change one."""
    (source / "cat/1.png").write_bytes(picture(11))  # changed
    at(source / "cat/1.png", 1)
    at(source / "cat/2.png", 2)  # touched
    (source / "cat/3.png").unlink()  # gone
    (source / "cat/4.png").write_bytes(b"broken")  # changed for the worse
    at(source / "cat/4.png", 4)
    (source / "dog/notes.png").write_bytes(picture(12))  # mended
    at(source / "dog/notes.png", 5)
    (source / "dog/empty.png").unlink()  # a refused one is gone
    write_folder(source, {"owl/new.png": picture(13), "owl/bad.png": b"bad"})
    at(source / "owl/new.png", 6)
    at(source / "owl/bad.png", 7)


def check_much(config) -> None:
    photos, refused = rows(config), rows(config, "quarantine")
    assert {name: row["revision"] for name, row in photos.items()} == {
        **{f"cat/{i}.png": 1 for i in range(2, 6)},
        "cat/1.png": 2,
        "dog/notes.png": 1,
        "owl/new.png": 1,
    }
    assert {name for name, row in photos.items() if row["removed"]} == {"cat/3.png", "cat/4.png"}
    assert photos["cat/2.png"]["modification_time"].timestamp() == 1_600_000_002
    assert bytes(photos["cat/1.png"]["content"]) == picture(11)
    assert bytes(photos["cat/4.png"]["content"]) == picture(4)
    assert {name: row["reason"] for name, row in refused.items()} == {
        "cat/4.png": "not_an_image",
        "owl/bad.png": "not_an_image",
    }


MUCH = {"photos": 3, "quarantined": 2, "changed": 1, "removed": 1, "unchanged": 1}
WRITES = 6  # to tables, of a run that finds these changes
TELLING = (1, WRITES - 1)  # after the first write, and before the last


class Killed(BaseException):
    """As a kill, nothing catches it."""


@contextmanager
def killed_after(kept_writes: float) -> Iterator[Counter[str]]:
    """Let so many writes to tables pass and kill the run at the next; counts the attempts."""
    attempts: Counter[str] = Counter()

    def failing(name: str):
        write = getattr(Tables, name)

        def attempt(*args, **kwargs):
            attempts[name] += 1
            if attempts.total() > kept_writes:
                raise Killed
            return write(*args, **kwargs)

        return attempt

    with pytest.MonkeyPatch.context() as patch:
        for name in ("append", "merge"):
            patch.setattr(Tables, name, failing(name))
        yield attempts


def test_new_changed_touched_mended_spoilt_and_removed_files(spark, ground):
    config = of(ground)
    change_much(ground / "SOURCE")
    with killed_after(math.inf) as attempts:
        assert ingest(spark, config) == MUCH
    assert attempts.total() == WRITES  # each of them is a point to kill a run at, below
    check_much(config)
    assert ingest(spark, config) == {"photos": 0, "quarantined": 0, "unchanged": 7}
    removed = rows(config)["cat/3.png"]["removed"]
    assert abs((datetime.now(UTC) - removed).total_seconds()) < 3600
    write_folder(ground / "SOURCE", {"cat/3.png": picture(3)})  # gone and back, as it was
    at(ground / "SOURCE/cat/3.png", 0)
    (ground / "SOURCE/cat/4.png").write_bytes(picture(4))  # spoilt and mended
    at(ground / "SOURCE/cat/4.png", 9)
    assert ingest(spark, config) == {"photos": 0, "quarantined": 0, "unchanged": 7}
    photos = rows(config)
    assert {row["removed"] for row in photos.values()} == {None}
    assert {photos[f"cat/{i}.png"]["revision"] for i in (3, 4)} == {1}
    assert set(rows(config, "quarantine")) == {"owl/bad.png"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kept_writes",
    [
        pytest.param(number, marks=() if number in TELLING else pytest.mark.soak)
        for number in range(WRITES)
    ],
)
def test_a_run_may_be_killed_at_any_commit(spark, ground, kept_writes):
    """Each write of a run is made to fail in turn; the run after it ends as one that was whole."""
    config = of(ground)
    change_much(ground / "SOURCE")
    with killed_after(kept_writes), pytest.raises(Killed):
        ingest(spark, config)
    ingest(spark, config)
    check_much(config)


def test_what_the_source_leaves_out_or_lies_elsewhere_is_not_gone(spark, ground):
    shutil.rmtree(ground / "SOURCE/dog")
    config = of(ground, source={"include": "/cat/"})
    (ground / "SOURCE/cat/1.png").unlink()
    assert ingest(spark, config) == {"photos": 0, "quarantined": 0, "removed": 1, "unchanged": 4}
    assert set(rows(config, "quarantine")) == {"dog/notes.png", "dog/empty.png"}
    other = configure(ground / "work", write_folder(ground / "OTHER", {"a/b.png": picture(1)}))
    assert ingest(spark, other) == {"photos": 1, "quarantined": 0}
    removed = [row["removed"] for row in read(config)]
    assert len(removed) - removed.count(None) == 1


def test_a_class_of_refused_files_is_tried_again_where_it_is_asked_for(spark, ground):
    config = of(ground, retry=["empty"])
    before = rows(config, "quarantine")
    assert ingest(spark, config) == {"photos": 0, "quarantined": 1, "unchanged": 6}
    after = rows(config, "quarantine")
    assert {name: row["reason"] for name, row in after.items()} == {
        name: row["reason"] for name, row in before.items()
    }


def test_a_root_without_a_file_is_no_folder_of_removed_photos(spark, ground):
    (ground / "SOURCE").rename(ground / "away")
    for prepare, message in ((Path.mkdir, "has no file in it"), (Path.rmdir, "there is no")):
        prepare(ground / "SOURCE")
        with pytest.raises(InputError, match=message):
            ingest(spark, of(ground))
    assert {row["removed"] for row in rows(of(ground)).values()} == {None}


def test_superseded_revisions_are_dropped_and_their_absence_costs_no_commit(spark, ground):
    tables = Tables.of(spark, of(ground))
    assert drop_superseded(tables) == 0
    old = tables.read("photos").where("path LIKE '%1.png'")
    tables.append("photos", old.withColumn("revision", old["revision"] + 1))
    version = tables.version("photos")
    assert drop_superseded(tables) == 1
    assert drop_superseded(tables) == 0
    assert tables.version("photos") == version + 1
    assert rows(of(ground))["cat/1.png"]["revision"] == 2


def test_a_file_that_hangs_or_vanishes_costs_a_row_at_most(spark, ground, monkeypatch):
    os.mkfifo(ground / "SOURCE/cat/pipe.png")
    (ground / "SOURCE/cat/2.png").unlink()
    os.mkfifo(ground / "SOURCE/cat/2.png")  # in the place of a photo, which stays one
    (ground / "SOURCE/cat/self.png").symlink_to("/proc/self/mem")  # of no bytes, says its listing
    write_folder(ground / "SOURCE", {"cat/6.png": picture(6)})
    check = ingesting.check_files

    def after_a_deletion(*args):
        (ground / "SOURCE/cat/6.png").unlink(missing_ok=True)
        return check(*args)

    monkeypatch.setattr(ingesting, "check_files", after_a_deletion)
    started = time.monotonic()
    config = of(ground, read_timeout_s=0.5)
    assert ingest(spark, config) == {"photos": 0, "quarantined": 3, "unchanged": 6}
    assert time.monotonic() - started < 120
    refused = rows(config, "quarantine")
    pipe = refused["cat/pipe.png"]
    assert (pipe["reason"], pipe["sha256"]) == ("time_out", None)
    assert refused["cat/self.png"]["reason"] == "empty"
    assert "cat/6.png" not in {**rows(config), **refused}
    assert refused["cat/2.png"]["reason"] == "time_out"
    assert rows(config)["cat/2.png"]["removed"] is None
    (ground / "SOURCE/cat/2.png").unlink()  # of a photo in both tables
    assert ingest(spark, config)["removed"] == 1
    assert rows(config)["cat/2.png"]["removed"] is not None
    assert "cat/2.png" not in rows(config, "quarantine")
