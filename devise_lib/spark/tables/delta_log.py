"""The log of a Delta table, read without Spark: milliseconds in place of Spark jobs.

A job asks little of a table's log before and after it writes: whether the table is there, its
version, what a commit wrote. The Delta protocol fixes where these stand. Each version has a JSON
file, in which the action `commitInfo` describes the commit. Beside it may lie a checksum file with
the table's size. Rows and the list of a table's files are Spark's to read.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Operations that leave every row as it was.
SAME_ROWS = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "CREATE TABLE")
# Operations that add rows, unless they replace files.
ADDS_ROWS = ("WRITE", "STREAMING UPDATE", "CREATE TABLE AS SELECT")


@dataclass(frozen=True)
class Commit:
    """One commit of a table.

    Attributes:
        version: that it made.
        time: when, UTC: of its file's last change, as Delta itself takes it.
        operation: as Delta names it: "WRITE", "MERGE", "OPTIMIZE" ...
        metrics: what it did, numbers by name: "numOutputRows" ...
        user_metadata: what its writer has put down with it; "" for nothing.
        transaction: an id that no other commit has, of any table.
    """

    version: int
    time: datetime
    operation: str
    metrics: Mapping[str, int] = field(default_factory=dict)
    user_metadata: str = ""
    transaction: str = ""


@dataclass(frozen=True)
class TableSize:
    """The data files that a table consists of: their number and bytes."""

    files: int
    size_bytes: int


def newest_version(table: Path) -> int | None:
    """The version of the table in a folder; None where there is no table."""
    versions = _versions(table)
    return max(versions) if versions else None


def commits(table: Path, after: int = -1) -> Iterator[Commit]:
    """The commits of higher versions than `after` that the log still has, newest first."""
    for version in sorted(_versions(table), reverse=True):
        if version <= after:
            return
        with contextlib.suppress(FileNotFoundError):  # the log has just forgotten this one
            yield _read_commit(table, version)


def metrics_of(table: Path, mark: str, after: int | None) -> Mapping[str, int]:
    """What the commit has done whose user metadata holds a mark; nothing where there is none.

    Args:
        table: its folder.
        mark: of one commit alone. A writer finds his own by it, beside those of others.
        after: the newest version before the commit; None where there was no table.
    """
    later = commits(table, -1 if after is None else after)
    # Delta may pack files after a commit by itself, and gives that commit the same metadata.
    own = (c for c in later if mark in c.user_metadata and c.operation not in SAME_ROWS)
    return next((commit.metrics for commit in own), {})


def takes_rows(commit: Commit) -> bool:
    """Whether rows may be gone by a commit that is none of this package's: DELETE, MERGE ...

    The package's own changes of PHOTOS leave each photo a row.
    """
    if commit.operation == "DELETE":
        return True
    if '"job":' in commit.user_metadata or commit.operation in SAME_ROWS:
        return False
    return commit.operation not in ADDS_ROWS or commit.metrics.get("numRemovedFiles", 0) > 0


def last_change(table: Path) -> str:
    """A name for the rows that a table has: it changes with every commit that changes a row.

    "" where there is no table. Where no commit that the log still has changed a row, it names the
    oldest of these, so that it changes when the log forgets one.
    """
    name = ""
    for commit in commits(table):
        if commit.operation not in SAME_ROWS:
            return f"{commit.version} {commit.transaction}"
        name = f"as before {commit.version}"
    return name


def size(table: Path) -> TableSize | None:
    """The size by the checksum file of the newest version; None where Delta wrote none."""
    version = newest_version(table)
    path = table / "_delta_log" / f"{version or 0:020}.crc"
    if version is None or not path.exists():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    return TableSize(int(told["numFiles"]), int(told["tableSizeBytes"]))


def _versions(table: Path) -> list[int]:
    try:
        names = [path.name for path in (table / "_delta_log").iterdir()]
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return [int(stem) for stem in stems if stem.isdigit()]


def _read_commit(table: Path, version: int) -> Commit:
    told: dict[str, Any] = {}
    path = table / "_delta_log" / f"{version:020}.json"
    with path.open(encoding="utf-8") as lines:
        for line in lines:  # the first one, as Spark writes it; the others may be very many
            if "commitInfo" in (action := json.loads(line)):
                told = action["commitInfo"]
                break
    metrics = told.get("operationMetrics") or {}
    return Commit(
        version,
        datetime.fromtimestamp(path.stat().st_mtime, UTC),
        told.get("operation") or "",
        # Spark writes them as text, other writers as numbers.
        {name: int(value) for name, value in metrics.items() if str(value).isdigit()},
        told.get("userMetadata") or "",
        told.get("txnId") or "",
    )
