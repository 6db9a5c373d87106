"""Files of Delta tables: when to pack small ones, and deleting those that no version needs."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

from devise_lib.spark.platform.session import session_settings
from devise_lib.spark.tables.delta_tables import Tables

RETENTION = "delta.deletedFileRetentionDuration"
VACUUM_IN_HISTORY = {"spark.databricks.delta.vacuum.logging.enabled": "true"}
FILE_BYTES = 128 << 20
SPARE_FILES = 50  # A table is packed when it has this many files more than its bytes need.


def is_scattered(tables: Tables, name: str) -> bool:
    """Return whether a table has far more files than its bytes need at FILE_BYTES per file."""
    size = tables.size(name)
    return size.files > 2 * size.size_bytes / FILE_BYTES + SPARE_FILES


def vacuum(tables: Tables, name: str, hours: int) -> None:
    """Delete files that no version of the last `hours` hours needs, once per so many hours.

    A table that is younger has none. Listing the files of a large table takes minutes.
    """
    since = datetime.now(UTC) - timedelta(hours=hours)
    recent = takewhile(lambda commit: commit.time > since, tables.commits(name))
    if any(each.version == 0 or each.operation == "VACUUM END" for each in recent):
        return
    tables.set_property(name, RETENTION, f"interval {hours} hours")
    with session_settings(tables.spark, VACUUM_IN_HISTORY):
        tables.spark.sql(f"VACUUM delta.`{tables.path(name)}`")
