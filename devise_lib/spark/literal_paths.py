"""Parquet files and users' tables at paths that are taken as they are written.

Spark takes `*?[]{}` in a path for a pattern. An option of its own turns that off, for one path at a
time only: of several paths it reads each as often as there are paths. Escaped signs stand for
themselves in any number of paths, but Hadoop then takes a colon in such a path for the end of a
scheme.
"""

from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from devise_lib.paths import absolute, without_glob
from devise_lib.spark.hadoop_files import session_files, spark_path

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

    escaped = [without_glob(path) for path in paths]
    if any(":" in path and path != name for path, name in zip(escaped, paths, strict=True)):
        return reduce(DataFrame.unionAll, map(read_one, paths))
    if len(paths) == 1:
        return read_one(paths[0])
    return (spark.read.schema(schema) if schema else spark.read).parquet(*escaped)


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
