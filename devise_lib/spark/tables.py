"""Read and write the Delta tables of devise_lib.spark.schemas; a wrong schema stops the job."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delta import DeltaTable
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql.types import StructType

from devise_lib.config_types import JobConfig
from devise_lib.errors import InputError, SchemaError
from devise_lib.spark.schemas import SCHEMAS


@dataclass(frozen=True)
class Tables:
    """The tables of one work folder, by path or, with a catalog, by name.

    Attributes:
        spark: the session.
        work_dir: the work folder; tables lie in its folder `tables`.
        catalog: prefix of the tables' names, e.g. "main.devise"; "" for tables by path only.
        provenance: what the rows are made from; goes into the log of every commit.
    """

    spark: SparkSession
    work_dir: str
    catalog: str
    provenance: Mapping[str, Any]

    @classmethod
    def of(cls, spark: SparkSession, config: JobConfig, **provenance: Any) -> "Tables":
        """The tables that a job's configuration names."""
        made_by = {"job": getattr(config, "name", ""), "seed": config.seed, **provenance}
        return cls(spark, config.work_dir.rstrip("/"), config.catalog, made_by)

    def path(self, name: str) -> str:
        """Where the table lies."""
        if name not in SCHEMAS:
            raise KeyError(f"no table {name!r} in devise_lib.spark.schemas")
        return f"{self.work_dir}/tables/{name}"

    def exists(self, name: str) -> bool:
        """Whether anything was written to the table yet."""
        return DeltaTable.isDeltaTable(self.spark, self.path(name))

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """The columns of the table's schema, now or at a version.

        Raises:
            InputError: no such table yet; names the job that writes it.
            SchemaError: a column is missing or has another type.
        """
        if not self.exists(name):
            raise InputError(
                f"no table {name} at {self.path(name)}: run the job that writes it first, "
                "or give the work_dir that has it"
            )
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return conform(reader.load(self.path(name)), SCHEMAS[name], name)

    def version(self, name: str) -> int:
        """The table's newest version."""
        return int(self._delta(name).history(1).collect()[0]["version"])

    def overwrite(
        self, name: str, df: DataFrame, where: str = "", **options: str | int | tuple[str, ...]
    ) -> int:
        """Replace the table, or its rows that fulfil `where`, in one commit; returns new rows.

        A table that is replaced as a whole takes on the schema of today.
        """
        writer = self._writer(name, df, options).mode("overwrite")
        if not where:
            writer = writer.option("overwriteSchema", "true")
        elif self.exists(name):
            writer = writer.option("replaceWhere", where)
        return self._save(name, writer)

    def append(self, name: str, df: DataFrame, **options: str | int | tuple[str, ...]) -> int:
        """Add rows in one commit; returns their number."""
        return self._save(name, self._writer(name, df, options).mode("append"))

    def create_if_missing(self, name: str) -> None:
        """An empty table with its schema, so that readers find it whatever came before."""
        if not self.exists(name):
            self.append(name, self.spark.createDataFrame([], SCHEMAS[name]))

    def _writer(
        self, name: str, df: DataFrame, options: Mapping[str, str | int | tuple[str, ...]]
    ) -> DataFrameWriter:
        schema = SCHEMAS[name]
        writer = conform(df, schema, name).to(schema).write.format("delta")
        writer = writer.option("userMetadata", json.dumps(dict(self.provenance)))
        for key, value in options.items():
            if key == "partition_by" and isinstance(value, tuple):
                writer = writer.partitionBy(*value)
            else:
                writer = writer.option(key, str(value))
        return writer

    def _save(self, name: str, writer: DataFrameWriter) -> int:
        before = self.version(name) if self.exists(name) else -1
        if self.catalog:
            full_name = f"{self.catalog}.{name}"
            if before >= 0:  # perhaps made by path alone: Delta takes no second table there
                place = f"USING delta LOCATION '{self.path(name)}'"
                self.spark.sql(f"CREATE TABLE IF NOT EXISTS {full_name} {place}")
            writer.option("path", self.path(name)).saveAsTable(full_name)
        else:
            writer.save(self.path(name))
        last = self._delta(name).history(1).collect()[0]
        if last["version"] == before:
            return 0  # Delta has seen this transaction and skipped it
        written = last["operationMetrics"]
        return int(written.get("numOutputRows", 0)) - int(written.get("numCopiedRows", 0))

    def _delta(self, name: str) -> DeltaTable:
        return DeltaTable.forPath(self.spark, self.path(name))


def conform(df: DataFrame, schema: StructType, name: str) -> DataFrame:
    """The columns of `schema`, in its order; other columns are dropped.

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
        raise SchemaError(f"table {name}: {'; '.join(faults)}")
    return df.select(*schema.names)


def count_by(df: DataFrame, column: str | Column) -> dict[str, int]:
    """Rows by the values of a column of few values."""
    return {str(row[0]): int(row[1]) for row in df.groupBy(column).count().collect()}
