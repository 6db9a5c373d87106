"""The log of a Delta table as the protocol has it, written by hand; Spark's is in test_tables."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devise_lib.spark.tables.delta_log import (
    Commit,
    TableSize,
    commits,
    last_change,
    may_remove_rows,
    newest_version,
    size,
)


def write_commit(table: Path, version: int, operation: str = "WRITE", **told) -> None:
    """A commit as Spark writes it, with another action behind its own."""
    info = {"operation": operation} | told
    lines = [{"commitInfo": info}, {"add": {"path": "a.parquet"}}]
    path = table / "_delta_log" / f"{version:020}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture(params=["plain", "my work [1] 100%20 #ü?"])
def table(tmp_path, request) -> Path:
    """The folder of a table, whatever its name has in it."""
    return tmp_path / request.param


def test_without_a_log_there_is_no_table(table):
    assert newest_version(table) is None
    assert list(commits(table)) == []
    assert last_change(table) == ""
    assert size(table) is None
    (table / "_delta_log").mkdir(parents=True)
    assert newest_version(table) is None


def test_the_newest_version_is_the_greatest_and_no_other_file_counts(table):
    for version in (8, 9, 10, 100):
        write_commit(table, version)
    log = table / "_delta_log"
    for name in ("_last_checkpoint", f"{11:020}.checkpoint.parquet", f"{101:020}.crc", "x.json"):
        (log / name).write_text("{}")
    (log / f"{102:020}.00000001.compacted.json").write_text("{}")
    (log / f".{103:020}.json").write_text("{}")
    assert newest_version(table) == 100
    assert [each.version for each in commits(table)] == [100, 10, 9, 8]
    assert [each.version for each in commits(table, after=9)] == [100, 10]
    assert list(commits(table, after=100)) == []


def test_a_commit_says_what_it_did(table):
    write_commit(
        table,
        0,
        "MERGE",
        operationMetrics={"numOutputRows": "12", "numFiles": "3", "rate": "0.5"},
        userMetadata="mine",
        txnId="t-1",
    )
    write_commit(table, 1)
    os.utime(table / "_delta_log" / f"{0:020}.json", (1_700_000_000.5,) * 2)
    second, first = commits(table)
    at = datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)
    assert first == Commit(0, at, "MERGE", {"numOutputRows": 12, "numFiles": 3}, "mine", "t-1")
    assert (second.operation, second.metrics, second.user_metadata) == ("WRITE", {}, "")


def test_a_commit_is_found_behind_other_actions_and_may_say_nothing(table):
    path = table / "_delta_log" / f"{0:020}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"add": {}}\n{"commitInfo": {"operation": "WRITE"}}\n')
    (path.parent / f"{1:020}.json").write_text('{"add": {}}\n')
    assert [each.operation for each in commits(table)] == ["", "WRITE"]


def test_other_writers_commits_are_read_as_well(table):
    write_commit(table, 0, operationMetrics={"numOutputRows": 7, "x": None}, userMetadata=None)
    write_commit(table, 1, operationMetrics=None)
    second, first = commits(table)
    assert (first.metrics, first.user_metadata) == ({"numOutputRows": 7}, "")
    assert second.metrics == {}


def test_a_log_that_has_forgotten_its_changes_is_no_other_table(table):
    assert last_change(table) == ""
    write_commit(table, 8, "OPTIMIZE")
    write_commit(table, 9, "VACUUM END")
    before = last_change(table)
    assert before
    (table / "_delta_log" / f"{8:020}.json").unlink()
    assert last_change(table) not in ("", before)


def test_the_last_change_stays_while_only_files_and_properties_change(table):
    write_commit(table, 0, "WRITE", txnId="a")
    first = last_change(table)
    assert first
    neutral = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES")
    for version, operation in enumerate(neutral, start=1):
        write_commit(table, version, operation, txnId=f"b{version}")
        assert last_change(table) == first
    seen = {first}
    for version, operation in enumerate(("WRITE", "MERGE", "DELETE", "UPDATE", "RESTORE"), 5):
        write_commit(table, version, operation, txnId="c")
        assert last_change(table) not in seen
        seen.add(last_change(table))


def test_tables_of_the_same_versions_have_other_last_changes(table, tmp_path):
    """A table that was deleted and made anew may have as many versions as it had."""
    write_commit(table, 0, txnId="a")
    write_commit(tmp_path / "other", 0, txnId="b")
    assert last_change(table) != last_change(tmp_path / "other")


def test_a_commit_of_somebody_elses_that_may_take_rows_is_known(table):
    """Of the kind: one way to take rows away is known, DELETE, and the others are not."""
    own = {"userMetadata": '{"job": "ingest_photos", "commit": "1"}'}
    told = [
        ("WRITE", {}, False),
        ("WRITE", {"operationMetrics": {"numRemovedFiles": "2"}}, True),  # an overwrite
        ("CREATE OR REPLACE TABLE AS SELECT", {}, True),
        ("MERGE", {}, True),
        ("MERGE", own, False),  # of superseded revisions and marks
        ("DELETE", {}, True),
        ("DELETE", own, True),
        ("RESTORE", {}, True),
        ("OPTIMIZE", {}, False),
        ("CREATE TABLE", {}, False),
    ]
    for version, (operation, more, _) in enumerate(told):
        write_commit(table, version, operation, **more)
    found = reversed(list(commits(table)))
    assert [may_remove_rows(commit) for commit in found] == [takes for *_, takes in told]


def test_the_size_is_that_of_the_newest_versions_checksum(table):
    for version, files in ((0, 3), (1, 5)):
        write_commit(table, version)
        told = {"numFiles": files, "tableSizeBytes": 100 * files, "numMetadata": 1}
        (table / "_delta_log" / f"{version:020}.crc").write_text(json.dumps(told))
    assert size(table) == TableSize(5, 500)
    write_commit(table, 2)  # by a writer that writes none
    assert size(table) is None
