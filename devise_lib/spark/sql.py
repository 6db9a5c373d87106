"""Functions and views with which analysts query a work folder, in native SQL without Python."""

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from devise_lib.errors import InputError
from devise_lib.spark.tables.analyst_sql import is_function, quote_name, statements, tables_in
from devise_lib.spark.tables.schemas import SCHEMAS

# What Spark and Delta say of a table that is not there.
MISSING = {"TABLE_OR_VIEW_NOT_FOUND", "PATH_NOT_FOUND", "DELTA_TABLE_NOT_FOUND"}


def register(spark: SparkSession, work_dir: str = "", catalog: str = "") -> list[str]:
    """Register the tables of a work folder, and functions and views on them, in a session.

    They replace what an earlier call has registered, and temporary views and functions of the
    session that have the same names. Functions and views that read a missing table are left out.
    CURRENT_MODELS has no row until embed_photos writes it.

    Args:
        spark: a session with Delta.
        work_dir: the work folder, a path or URI; its tables get temporary views of their names.
        catalog: in place of it, the prefix of the tables' names, such as `main.devise`.

    Returns:
        The names of tables, functions and views that can be used now.

    Raises:
        InputError: there is none of the tables, or both or neither of the places are given.
        AnalysisException: a table is there, but cannot be read.
    """
    if bool(work_dir) == bool(catalog):
        raise InputError("want the work folder or the catalog of its tables, one of them")
    opened = {name: _open(spark, name, work_dir, catalog) for name in SCHEMAS}
    tables = {name: table for name, table in opened.items() if table is not None}
    if not tables:
        raise InputError(
            f"{work_dir or catalog} has none of the tables: want a work folder, which "
            "has the folder tables, or the prefix that its jobs had as catalog"
        )
    # Views read it to tell which model counts, also before there is one.
    empty = spark.createDataFrame([], SCHEMAS["current_models"])
    tables.setdefault("current_models", empty)
    _forget(spark)
    for name, table in tables.items():
        table.createOrReplaceTempView(name)
    names = list(tables)
    for name, statement in statements().items():
        if tables_in(statement) <= set(names):
            spark.sql(statement)
            names.append(name)
    return names


def _open(spark: SparkSession, name: str, work_dir: str, catalog: str) -> DataFrame | None:
    """Return a table; None if it is missing."""
    try:
        if catalog:
            return spark.table(f"{quote_name(catalog)}.{name}")
        return spark.read.format("delta").load(f"{work_dir.rstrip('/')}/tables/{name}")
    except AnalysisException as error:
        if error.getCondition() not in MISSING:
            raise
        return None


def _forget(spark: SparkSession) -> None:
    """Drop the temporary views and functions of every name that register may create."""
    for name in SCHEMAS:
        spark.catalog.dropTempView(name)
    for name, statement in statements().items():
        if is_function(statement):
            spark.sql(f"DROP TEMPORARY FUNCTION IF EXISTS {name}")
        else:
            spark.catalog.dropTempView(name)
