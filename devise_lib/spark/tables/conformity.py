"""Whether rows have the columns that a table's schema promises."""

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from devise_lib.errors import SchemaError


def conform(df: DataFrame, schema: StructType, name: str, hint: str = "") -> DataFrame:
    """The columns of `schema`, in its order; other columns are dropped.

    Args:
        df: rows.
        schema: the table's.
        name: the table's, for the message.
        hint: what to do, for the message.

    Raises:
        SchemaError: lists each column that is missing or has another type.
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
