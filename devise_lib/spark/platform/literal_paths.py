"""Parquet files and users' tables at paths that are taken as they are written.

Spark takes `*?[]{}` in a path for a pattern. An option of its own turns that off, for one path at a
time only: of several paths it reads each as often as there are paths. Escaped signs stand for
themselves in any number of paths. In such a path Hadoop takes any colon for the end of a scheme.
"""

import re
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from devise_lib.paths import absolute, escape_glob
from devise_lib.spark.platform.hadoop_files import session_files, spark_path

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?")
AS_WRITTEN = {"__globPaths__": "false"}  # an option of Spark's readers of files


def read_parquet(spark: SparkSession, *paths: str, schema: StructType | None = None) -> DataFrame:
    """The rows of Parquet files or folders, whose names may hold any signs.

    Args:
        spark: the session.
        paths: at least one.
        schema: of the rows; None: as the files have it.
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
    """Whether Spark cannot read this path beside others: it has a sign of patterns and a colon.

    The colon of a scheme, and that of a port, is none.
    """
    scheme = _SCHEME.match(path)
    return ":" in path[scheme.end() if scheme else 0 :] and escape_glob(path) != path


def _union(frames: Sequence[DataFrame]) -> DataFrame:
    """All rows, by a plan that is only as deep as the logarithm of the number of frames."""
    if len(frames) == 1:
        return frames[0]
    half = len(frames) // 2
    return _union(frames[:half]).unionAll(_union(frames[half:]))


def open_table(spark: SparkSession, kind: str, path: str) -> DataFrame:
    """A user's table: at the path where there is one, else at the paths of its pattern.

    Args:
        spark: the session.
        kind: "delta", which knows no patterns, or "parquet".
        path: a path or URI.

    Raises:
        AnalysisException: there is no such table.
    """
    files, _ = session_files(spark, path)
    whole = absolute(path)
    is_there = files.status(whole) is not None
    reader = spark.read.format(kind)
    return (reader.options(**AS_WRITTEN) if is_there else reader).load(spark_path(spark, whole))


def text_in_sql(text: str) -> str:
    """A text as SQL has it, between quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
