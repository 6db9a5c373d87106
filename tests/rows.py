"""Rows of tables by the names of their columns, so that a new column breaks no test."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from devise_lib.spark.tables.schemas import SCHEMAS


def row_of(schema: StructType, **values) -> tuple:
    """A row of the schema; columns that are not given are null.

    >>> row_of(PHOTOS, photo_id="p1", content=b"...")
    """
    unknown = values.keys() - set(schema.names)
    assert not unknown, f"no such columns: {sorted(unknown)}"
    return tuple(values.get(name) for name in schema.names)


def read_rows(
    work_dir: str | Path, name: str, columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The rows of a table that has no partitions, in any order; all columns, or some.

    They are read without Spark, in no time.
    """
    table = DeltaTable(Path(work_dir) / "tables" / name)
    return table.to_pyarrow_table(columns=columns and list(columns)).to_pylist()


def of_set(rows: Iterable[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Those of the sources of these names."""
    return [row for row in rows if row["photo_set"] in names]


def write_rows(
    work_dir: str | Path,
    name: str,
    rows: Iterable[Mapping[str, Any]],
    mode: Literal["append", "overwrite"] = "append",
) -> None:
    """One file more of a table that the test's subject only reads, or the only one.

    It is written without Spark, in no time, and without the comments and the properties of a table
    that a job has made. Columns that a row leaves out are null.
    """
    schema = SCHEMAS[name]
    values = [dict(zip(schema.names, row_of(schema, **row), strict=True)) for row in rows]
    table = pa.Table.from_pylist(values, to_arrow_schema(schema))
    write_deltalake(Path(work_dir) / "tables" / name, table, mode=mode)
