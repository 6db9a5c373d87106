"""Whether a run of embed_photos has anything to do, by the logs of hand-written tables."""

from collections import Counter
from pathlib import Path

import pytest

from devise_lib.spark.embed.finished import (
    FILE_NAME,
    INPUT_TABLES,
    Finished,
    counts_of_finished,
    remember,
)
from devise_lib.spark.embed.results import Counts
from devise_lib.spark.tables.delta_tables import Tables
from tests.spark.tables.test_delta_log import write_commit

SETTINGS = {"precision": "float32", "store_backbone_features": False, "catalog": ""}


@pytest.fixture
def tables(tmp_path) -> Tables:
    tables = Tables(None, str(tmp_path), "", {})  # its logs are read without Spark
    for name in INPUT_TABLES:
        write_commit(Path(tables.folder(name)), 0, txnId=name)
    return tables


@pytest.fixture
def folder(tables, tmp_path) -> Path:
    """A checkpoint folder as a run leaves it that has embedded 3 photos and refused 2."""
    rows = tables.last_changes(*INPUT_TABLES)
    remember(tmp_path, Finished(SETTINGS, rows, 3, {"empty": 1, "truncated": 1}))
    return tmp_path


def test_without_a_change_the_counts_are_those_of_the_finished_run(tables, folder):
    counts = counts_of_finished(tables, folder, dict(SETTINGS))
    assert counts == Counts(3, Counter({"empty": 1, "truncated": 1}))
    assert counts.rows() == {"embeddings": 3, "quarantined": 2}


@pytest.mark.parametrize("name", INPUT_TABLES)
def test_a_changed_row_of_any_table_has_all_photos_counted_again(tables, folder, name):
    write_commit(Path(tables.folder(name)), 1, "OPTIMIZE", txnId="later")
    assert counts_of_finished(tables, folder, SETTINGS) is not None  # no row changed
    write_commit(Path(tables.folder(name)), 2, "DELETE", txnId="later still")
    assert counts_of_finished(tables, folder, SETTINGS) is None


@pytest.mark.parametrize("key", list(SETTINGS))
def test_another_setting_is_another_run(tables, folder, key):
    assert counts_of_finished(tables, folder, SETTINGS | {key: "another"}) is None


def test_without_a_finished_run_there_is_nothing_to_go_by(tables, tmp_path):
    assert counts_of_finished(tables, tmp_path, SETTINGS) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"embedded": 3}', '{"format": 7}'])
def test_a_file_that_cannot_be_used_counts_as_none(tables, folder, text):
    (folder / FILE_NAME).write_text(text)
    assert counts_of_finished(tables, folder, SETTINGS) is None


def test_the_newest_finished_run_counts(tables, folder):
    write_commit(Path(tables.folder("photos")), 1, "WRITE", txnId="later")
    remember(folder, Finished(SETTINGS, tables.last_changes(*INPUT_TABLES), 4, {}))
    assert counts_of_finished(tables, folder, SETTINGS) == Counts(4, Counter())
