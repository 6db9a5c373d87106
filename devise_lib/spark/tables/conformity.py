"""Checks that rows have the columns of a table's schema."""

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from devise_lib.errors import SchemaError


def conform(df: DataFrame, schema: StructType, name: str, hint: str = "") -> DataFrame:
    """Return the columns of `schema`, in its order; other columns are dropped.

    Args:
        df: the rows.
        schema: of the table.
        name: of the table, for the message.
        hint: the end of the message, which says what to do.

    Raises:
        SchemaError: a column is missing or has another type; the message lists each.
    """
    have = {field.name: field.dataType.simpleString() for field in df.schema}
    faults = [
        f"{field.name} is {have.get(field.name, 'missing')}, want {field.dataType.simpleString()}"
        for field in schema
        if have.get(field.name) != field.dataType.simpleString()
    ]
    if faults:
        raise SchemaError(f"table {name}: {'; '.join(faults)}{hint}")
    return df.select(*schema.names)
