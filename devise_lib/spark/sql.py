"""Functions and views with which analysts query a work folder, in native SQL without Python."""

import re
from importlib.resources import files

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from devise_lib.errors import InputError
from devise_lib.spark.tables.schemas import SCHEMAS

SCRIPT = "analyst_functions.sql"
NAMED = re.compile(r"CREATE OR REPLACE TEMPORARY (?:FUNCTION|VIEW) (\w+)")
MISSING = "TABLE_OR_VIEW_NOT_FOUND"


def register(spark: SparkSession, work_dir: str = "", catalog: str = "") -> list[str]:
    """Register the tables of a work folder, and the functions and views of SCRIPT, in a session.

    What reads a table that is not there yet is left out.

    Args:
        spark: a session with Delta.
        work_dir: the work folder, a path or URI; its tables get temporary views of their names.
        catalog: in place of it, the prefix of the tables' names, such as `main.devise`.

    Returns:
        The names of tables, functions and views that can be used now.

    Raises:
        InputError: there is none of the tables, or both or neither of the places are given.
    """
    if bool(work_dir) == bool(catalog):
        raise InputError("want the work folder or the catalog of its tables, one of them")
    there = [name for name in SCHEMAS if _show(spark, name, work_dir, catalog)]
    if not there:
        raise InputError(
            f"{work_dir or catalog} has none of the tables: want a work folder, which "
            "has the folder tables, or the prefix that its jobs had as catalog"
        )
    return there + [name for statement in statements() if (name := _run(spark, statement))]


def statements() -> list[str]:
    """Return the statements of SCRIPT, in an order in which each finds what it needs."""
    text = files("devise_lib.spark").joinpath(SCRIPT).read_text(encoding="utf-8")
    plain = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
    return [statement.strip() for statement in plain.split(";\n") if statement.strip()]


def _show(spark: SparkSession, name: str, work_dir: str, catalog: str) -> bool:
    try:
        if catalog:
            table = spark.table(f"{catalog}.{name}")
        else:
            table = spark.read.format("delta").load(f"{work_dir.rstrip('/')}/tables/{name}")
    except AnalysisException:
        return False
    table.createOrReplaceTempView(name)
    return True


def _run(spark: SparkSession, statement: str) -> str:
    """Run a statement; returns the name that it makes, or "" where a table is missing."""
    try:
        spark.sql(statement)
    except AnalysisException as error:
        if error.getCondition() != MISSING:
            raise
        return ""
    found = NAMED.match(statement)
    return found[1] if found else ""
