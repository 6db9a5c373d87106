"""Reads the log of a Delta table without Spark, in milliseconds.

A job needs little of a table's log before and after it writes: whether the table exists, its
version, and what a commit wrote. The Delta protocol fixes where these stand. Each version has a
JSON file, in which the action `commitInfo` describes the commit. A checksum file with the table's
size may lie beside it. Rows and the list of a table's files are read by Spark.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from devise_lib.storage.faults import StoreError
from devise_lib.storage.files import FileStatus
from devise_lib.storage.stores import store_files

# Operations that leave every row as it was.
SAME_ROWS = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "CREATE TABLE")
# Operations that add rows, unless they replace files.
ADDS_ROWS = ("WRITE", "STREAMING UPDATE", "CREATE TABLE AS SELECT")


@dataclass(frozen=True)
class Commit:
    """One commit of a table.

    Attributes:
        version: the version of the table that the commit made.
        time: of the last change of the commit's file, UTC; Delta takes the same time.
        operation: its kind in Delta's words: "WRITE", "MERGE", "OPTIMIZE" and so on.
        metrics: what it did, as numbers by name, such as "numOutputRows".
        user_metadata: the text that its writer stored with it; "" for none.
        transaction: an id that is unique among the commits of all tables.
    """

    version: int
    time: datetime
    operation: str
    metrics: Mapping[str, int] = field(default_factory=dict)
    user_metadata: str = ""
    transaction: str = ""


@dataclass(frozen=True)
class TableSize:
    """The number and the bytes of the data files that a table consists of."""

    files: int
    size_bytes: int


def newest_version(table: str) -> int | None:
    """Return the version of the table in a folder, or None where there is no table."""
    versions = _versions(table)
    return max(versions) if versions else None


def commits(table: str, after: int = -1) -> Iterator[Commit]:
    """Give the commits of higher versions than `after` that the log still has, newest first."""
    for version, status in sorted(_versions(table).items(), reverse=True):
        if version <= after:
            return
        if found := _read_commit(version, status):
            yield found


def transaction_of(table: str, version: int) -> str:
    """Return the id of the commit that made a version; "" if the log no longer has it."""
    status = _versions(table).get(version)
    found = _read_commit(version, status) if status else None
    return found.transaction if found else ""


def metrics_of(table: str, commit_id: str, after: int | None) -> Mapping[str, int]:
    """Return what the commit did whose user metadata contains an id, as numbers by name.

    Args:
        table: the table's folder.
        commit_id: of one commit alone, so that a writer finds its own commit among others.
        after: the newest version before the commit; None where there was no table.

    Returns:
        The metrics of the commit; empty where there is no such commit.
    """
    later = commits(table, -1 if after is None else after)
    # Delta may pack files after a commit by itself. That commit then has the same metadata.
    own = (c for c in later if commit_id in c.user_metadata and c.operation not in SAME_ROWS)
    return next((commit.metrics for commit in own), {})


def may_remove_rows(commit: Commit) -> bool:
    """Return whether a commit may have removed rows, as a user's DELETE or MERGE does.

    Of the package's own commits only DELETE counts: its other changes of PHOTOS leave each photo a
    row.
    """
    if commit.operation == "DELETE":
        return True
    if '"job":' in commit.user_metadata or commit.operation in SAME_ROWS:
        return False
    return commit.operation not in ADDS_ROWS or commit.metrics.get("numRemovedFiles", 0) > 0


def last_change(table: str) -> str:
    """Return a name for the table's rows, which changes with every commit that changes a row.

    It is "" without a table. If no commit that the log still has changed a row, it names the oldest
    of them. So it also changes when Delta cleans that commit up.
    """
    name = ""
    for commit in commits(table):
        if commit.operation not in SAME_ROWS:
            return f"{commit.version} {commit.transaction}"
        name = f"as before {commit.version}"
    return name


def size(table: str) -> TableSize | None:
    """Return the size by the newest version's checksum file; None where Delta wrote none."""
    version = newest_version(table)
    content = store_files().read(f"{table}/_delta_log/{version or 0:020}.crc")
    if version is None or content is None:
        return None
    checksum = json.loads(content)
    return TableSize(int(checksum["numFiles"]), int(checksum["tableSizeBytes"]))


def _versions(table: str) -> dict[int, FileStatus]:
    """Return the file of each version that the log still has."""
    found = {}
    try:
        for status in store_files().entries(f"{table}/_delta_log"):
            stem = status.name.removesuffix(".json")
            if stem.isdigit() and stem != status.name:
                found[int(stem)] = status
    except FileNotFoundError:
        return {}
    return found


def _read_commit(version: int, status: FileStatus) -> Commit | None:
    """Return a commit; None if Delta has just cleaned it up."""
    info: dict[str, Any] = {}
    try:
        with io.BufferedReader(store_files().open_range(status.path, 0, status.size)) as lines:
            for line in lines:  # Spark writes it first. Very many lines may follow.
                if "commitInfo" in (action := json.loads(line)):
                    info = action["commitInfo"]
                    break
    except FileNotFoundError:
        return None
    except StoreError as error:
        if error.kind != "gone":
            raise
        return None
    metrics = info.get("operationMetrics") or {}
    return Commit(
        version,
        datetime.fromtimestamp(status.modified_s, UTC),
        info.get("operation") or "",
        # Spark writes them as text, other writers as numbers.
        {name: int(value) for name, value in metrics.items() if str(value).isdigit()},
        info.get("userMetadata") or "",
        info.get("txnId") or "",
    )
