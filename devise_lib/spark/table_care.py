"""Files of a table as readers want them: few, and none that no version needs."""

from pyspark.sql import functions as F

from devise_lib.spark.session import session_settings
from devise_lib.spark.tables import Tables

RETENTION = "delta.deletedFileRetentionDuration"
VACUUM_IN_HISTORY = {"spark.databricks.delta.vacuum.logging.enabled": "true"}
FILE_BYTES = 128 << 20
SPARE_FILES = 50  # more than its bytes want that a table may have before it is packed


def is_scattered(tables: Tables, name: str) -> bool:
    """Whether a table has many more files than it needs for its bytes."""
    detail = tables.detail(name)
    return bool(detail["numFiles"] > 2 * detail["sizeInBytes"] / FILE_BYTES + SPARE_FILES)


def vacuum(tables: Tables, name: str, hours: int) -> None:
    """Delete files that no version of the last `hours` hours has; once in so many hours.

    A table that is younger has none, and listing the files of a large one takes minutes.
    """
    since = F.current_timestamp() - F.expr(f"interval {hours} hours")
    begins = (F.col("version") == 0) | (F.col("operation") == "VACUUM END")
    if not tables.history(name).where((F.col("timestamp") > since) & begins).isEmpty():
        return
    tables.set_property(name, RETENTION, f"interval {hours} hours")
    with session_settings(tables.spark, VACUUM_IN_HISTORY):
        tables.spark.sql(f"VACUUM delta.`{tables.path(name)}`")
