"""Reads Parquet files at paths that are names, not patterns.

Spark takes `*?[]{}` in a path as a pattern. There are two ways around it, and each has a limit:

| way | limit |
|---|---|
| the option `__globPaths__` | One path only: Spark reads each of n paths n times. |
| escaped signs | No path with a colon: Hadoop takes it as the end of a scheme. |
"""

import re
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from devise_lib.paths import escape_glob

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?")
AS_WRITTEN = {"__globPaths__": "false"}  # an option of Spark's readers of files


def read_parquet(spark: SparkSession, *paths: str, schema: StructType | None = None) -> DataFrame:
    """Return the rows of Parquet files or folders, whose names may hold any signs.

    Args:
        spark: the session.
        paths: at least one.
        schema: of the rows; None: that of the files.
    """

    def read_one(path: str) -> DataFrame:
        reader = spark.read.options(**AS_WRITTEN)
        return (reader.schema(schema) if schema else reader).parquet(path)

    alone = [path for path in paths if len(paths) == 1 or wants_own_reader(path)]
    frames = [read_one(path) for path in alone]
    if together := [escape_glob(path) for path in paths if path not in alone]:
        reader = spark.read.schema(schema) if schema else spark.read
        frames.append(reader.parquet(*together))
    return _union(frames)


def wants_own_reader(path: str) -> bool:
    """Return whether Spark cannot read this path together with others.

    That is so for a path with both a sign of patterns and a colon. The colons of a scheme and of a
    port do not count.
    """
    scheme = _SCHEME.match(path)
    return ":" in path[scheme.end() if scheme else 0 :] and escape_glob(path) != path


def _union(frames: Sequence[DataFrame]) -> DataFrame:
    """Return all rows, by a plan only as deep as the logarithm of the number of frames."""
    if len(frames) == 1:
        return frames[0]
    half = len(frames) // 2
    return _union(frames[:half]).unionAll(_union(frames[half:]))


def text_in_sql(text: str) -> str:
    """Return a text as a literal of SQL, with its quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
