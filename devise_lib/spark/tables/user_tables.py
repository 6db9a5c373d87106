"""Opens the tables that users name in a configuration."""

from delta import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.run_record import InputState
from devise_lib.spark.platform.literal_paths import AS_WRITTEN
from devise_lib.spark.platform.stores import spark_path
from devise_lib.storage.stores import store_files


def table_state(spark: SparkSession, name: str) -> InputState:
    """Return what shows whether a table of the catalog has changed: the version that Delta counts.

    Args:
        spark: the session.
        name: the full name of the table.
    """
    try:
        about = DeltaTable.forName(spark, name)
        table_id = about.detail().select("id").first()[0]
        version = about.history(1).select("version").first()[0]
    except AnalysisException as error:
        return InputState(name, unknown=f"it is no Delta table ({error.getCondition()})")
    return InputState(name, version=f"{table_id} {version}")


def open_user_table(
    spark: SparkSession, source: str, key: str, *, is_name: bool, kind: str = ""
) -> DataFrame:
    """Return a user's table: that at the path if it exists, else those that match it as a pattern.

    Args:
        spark: the session.
        source: the full name of a table of the catalog, or a path or URI.
        key: of the configuration, for errors.
        is_name: whether it is a name.
        kind: "parquet", or "delta", which knows no patterns; "": the one that it is. A CSV file is
            told by its name. Its first line has the names of the columns, which are texts.

    Raises:
        InputError: there is no such table.
    """
    try:
        if is_name:
            return spark.table(source)
        whole = absolute(source)
        path = spark_path(spark, whole)
        found = kind or _kind_of(spark, path)
        is_there = store_files().status(whole) is not None
        reader = spark.read.format(found)
        if found == "csv":
            reader = reader.options(header="true", escape='"', multiLine="true")
        return (reader.options(**AS_WRITTEN) if is_there else reader).load(path)
    except AnalysisException as error:
        if kind:
            message = (
                f"{key}: there is no {kind} table {source!r} ({error.getCondition()}); give a path "
                "or a name that exists"
            )
        elif is_name:
            message = (
                f"there is no table {source!r} ({error.getCondition()}): give {key} as the full "
                'name of a table, or as a path with a "/" in it'
            )
        else:
            message = (
                f"{source} cannot be read as a Delta table, as Parquet files or as a CSV file "
                f"({str(error).splitlines()[0]}): give {key} the path of one"
            )
        raise InputError(message) from error


def _kind_of(spark: SparkSession, path: str) -> str:
    if path.endswith((".csv", ".csv.gz")):
        return "csv"
    return "delta" if DeltaTable.isDeltaTable(spark, path) else "parquet"
