import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from devise_lib.config.photos import EmbedPhotos
from devise_lib.spark.embed.batches import (
    count_files,
    identify,
    in_parts,
    read_photos,
    refresh_rows,
)
from devise_lib.spark.tables.caching import Scratch
from devise_lib.spark.tables.delta_tables import Tables
from tests.embedding import add_rows, photo_row

FILES = ("ab", "cde", "f")  # of PHOTOS; a letter is a photo
NUMBER = st.integers(1, 5)


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 9)), st.integers(1, 20), NUMBER, NUMBER)
def test_parts_are_as_large_as_they_should_be(files, photos, least, most):
    def enough(part: list[str]) -> bool:
        some = sum(files[file] for file in part) >= photos
        return len(part) >= least and (some or len(part) >= most)

    parts = list(in_parts(files, photos, least, most))
    assert [file for part in parts for file in part] == sorted(files)
    assert all(parts)
    assert not any(enough(part[:-1]) for part in parts)
    assert all(enough(part) for part in parts[:-1])


@pytest.fixture(scope="module")
def appended(spark, tmp_path_factory) -> Path:
    """A work folder with FILES in its PHOTOS; for tests to copy."""
    config = EmbedPhotos(work_dir=str(tmp_path_factory.mktemp("appended")))
    for names in FILES:
        add_rows(spark, config, [photo_row(name, name.encode()) for name in names])
    return Path(config.work_dir)


@pytest.fixture
def tables(spark, appended, tmp_path) -> Tables:
    folder = shutil.copytree(appended, tmp_path / "my work [1:2] 50%20")
    return Tables.of(spark, EmbedPhotos(work_dir=str(folder)))


@pytest.fixture
def scratch(tmp_path):
    with Scratch(str(tmp_path / "scratch")) as scratch:
        yield scratch


@pytest.fixture
def ids(tables, scratch):
    """All photos as they were appended."""
    return scratch.save(identify(tables.read("photos")), "ids")


@pytest.mark.spark
def test_the_photos_of_each_file_are_counted_and_revised_ones_are_told(ids):
    counts, has_revised = count_files(ids)
    assert sorted(counts.values()) == sorted(len(names) for names in FILES)
    assert not has_revised
    assert count_files(ids.withColumn("revision", F.lit(2)))[1]
    assert count_files(ids.where("false")) == ({}, False)


def rows(df) -> list[dict]:
    return sorted((row.asDict() for row in df.collect()), key=lambda row: row["photo_id"])


def read_now(ids, tables, scratch) -> list[dict]:
    now = refresh_rows(ids, count_files(ids)[0], tables, scratch)
    photos, in_files = read_photos(now, count_files(now)[0], tables)
    asked = {row["photo_id"] for row in ids.collect()}
    assert in_files == sum(len(names) for names in FILES if asked & {*names})
    return rows(photos)


@pytest.mark.spark
def test_photos_are_read_from_the_files_that_they_are_in(tables, scratch, ids):
    files = count_files(ids)[0]
    assert sorted(files.values()) == sorted(len(names) for names in FILES)
    assert refresh_rows(ids, files, tables, scratch) is ids
    photos = rows(tables.read("photos"))
    assert read_now(ids, tables, scratch) == photos
    some = ids.where("photo_id IN ('b', 'c', 'e')")
    wanted = [row for row in photos if row["photo_id"] in ("b", "c", "e")]
    assert read_now(some, tables, scratch) == wanted


@pytest.mark.spark
def test_photos_that_changed_since_are_as_they_are_now(spark, tables, scratch, ids):
    for change in (
        "UPDATE {} SET path = '/elsewhere', removed = NULL WHERE photo_id = 'b'",
        "UPDATE {} SET removed = current_timestamp() WHERE photo_id IN ('c', 'f')",
        "DELETE FROM {} WHERE photo_id = 'd'",
        "UPDATE {} SET revision = 2, content = NULL WHERE photo_id = 'e'",  # superseded
    ):
        spark.sql(change.format(f"delta.`{tables.path('photos')}`"))
    now = read_now(ids, tables, scratch)
    wanted = rows(tables.read("photos"))
    assert [row["photo_id"] for row in wanted] == ["a", "b", "c", "e", "f"]
    wanted[3] |= {"revision": 1, "content": b"e"}  # its new revision comes in a batch of its own
    assert now == wanted
    assert [row["photo_id"] for row in now if row["removed"]] == ["c", "f"]
    assert now[1]["path"] == "/elsewhere"


@pytest.mark.spark
def test_of_two_revisions_in_a_file_the_one_that_is_asked_for_is_read(spark, tables):
    config = EmbedPhotos(work_dir=tables.work_dir)
    add_rows(spark, config, [photo_row("x", bytes([n]), revision=n) for n in (1, 2)])
    ids = identify(tables.read("photos")).where("photo_id = 'x' AND revision = 2")
    photos, in_files = read_photos(ids, count_files(ids)[0], tables)
    assert [row["content"] for row in rows(photos)] == [b"\2"]
    assert in_files == 2
