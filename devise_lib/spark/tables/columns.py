"""What schemas are made of: types of columns, and tables of columns with their comments."""

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

STRING, INT, LONG, DOUBLE = StringType(), IntegerType(), LongType(), DoubleType()
FLOAT = FloatType()
BOOLEAN, BINARY, TIMESTAMP = BooleanType(), BinaryType(), TimestampType()
STRINGS, VECTOR = ArrayType(StringType()), ArrayType(FloatType())
LONGS, DOUBLES = ArrayType(LongType()), ArrayType(DoubleType())


def table(*columns: tuple[str, DataType, str]) -> StructType:
    """Return a schema: per column its name, its type and its comment; all may be null."""
    return StructType([StructField(name, kind, True, {"comment": c}) for name, kind, c in columns])
