"""Rows of tables by the names of their columns, so that a new column breaks no test."""

from pyspark.sql.types import StructType


def row_of(schema: StructType, **values) -> tuple:
    """A row of the schema; columns that are not given are null.

    >>> row_of(PHOTOS, photo_id="p1", content=b"...")
    """
    unknown = values.keys() - set(schema.names)
    assert not unknown, f"no such columns: {sorted(unknown)}"
    return tuple(values.get(name) for name in schema.names)
