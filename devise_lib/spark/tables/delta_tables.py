"""Reads and writes the Delta tables of a work folder, and checks their schemas."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from delta import DeltaTable
from delta.tables import DeltaMergeBuilder
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from devise_lib.config.types import JobConfig
from devise_lib.errors import InputError
from devise_lib.spark.platform.literal_paths import text_in_sql
from devise_lib.spark.platform.session import session_settings
from devise_lib.spark.platform.stores import spark_path
from devise_lib.spark.tables import delta_log
from devise_lib.spark.tables.conflicts import retry_on_conflict
from devise_lib.spark.tables.conformity import conform
from devise_lib.spark.tables.descriptions import DESCRIPTIONS, LAYOUTS
from devise_lib.spark.tables.schemas import SCHEMAS

# Delta 4.0.1 cannot write deletion vectors for a table that has a column `path`, because it uses
# that name itself (delta-io/delta, issue 2943). So a change rewrites the files that hold its rows.
WHOLE_FILES = {"spark.databricks.delta.merge.deletionVectors.persistent": "false"}
OTHER_VERSION = ". Another version of this package wrote it: take a new work_dir"
# Sorted rows are sorted again up to this size. A live run would rewrite Delta's default of 100 GiB
# again and again.
SORTED_BYTES = 1 << 30


@dataclass(frozen=True)
class Tables:
    """The tables of one work folder, by path or, with a catalog, by name.

    Attributes:
        spark: the session.
        work_dir: the work folder; its folder `tables` holds the tables.
        catalog: prefix of the tables' names, such as "main.devise"; "" for tables by path only.
        provenance: what the rows are made from; the log has it with every commit.
    """

    spark: SparkSession
    work_dir: str
    catalog: str
    provenance: Mapping[str, Any]

    @classmethod
    def of(cls, spark: SparkSession, config: JobConfig, **provenance: Any) -> "Tables":
        """Return the tables of a job's work folder; `provenance` is stored with every commit."""
        made_by = {"job": getattr(config, "name", ""), "seed": config.seed, **provenance}
        return cls(spark, config.work_dir.rstrip("/"), config.catalog, made_by)

    def path(self, name: str) -> str:
        """Return the table's location in the form that Spark takes."""
        return spark_path(self.spark, self.folder(name))

    def folder(self, name: str) -> str:
        """Return the path or URI of the table's folder. KeyError: no schema has this name."""
        if name not in SCHEMAS:
            raise KeyError(f"no table {name!r} in devise_lib.spark.tables.schemas")
        return f"{self.work_dir}/tables/{name}"

    def exists(self, name: str) -> bool:
        """Return whether the table has been written yet."""
        return delta_log.newest_version(self.folder(name)) is not None

    def require(self, *names: str) -> None:
        """Raise InputError where a table is missing; the message names the job that writes it."""
        for name in names:
            if not self.exists(name):
                raise InputError(
                    f"no table {name} at {self.path(name)}: run {DESCRIPTIONS[name].writers()} "
                    "first, which writes it, or give the work_dir that has it"
                )

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return the table's rows, with the columns of its schema, now or at a version.

        Raises:
            InputError: the table is missing; the message names the job that writes it.
            SchemaError: a column is missing or has another type.
        """
        self.require(name)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return conform(reader.load(self.path(name)), SCHEMAS[name], name, OTHER_VERSION)

    def of_model(self, name: str, model_id: str) -> DataFrame:
        """Return the rows of a table that belong to a model."""
        return self.read(name).where(F.col("model_id") == model_id)

    def version(self, name: str) -> int:
        """Return the table's newest version."""
        self.require(name)
        return delta_log.newest_version(self.folder(name)) or 0

    def transaction(self, name: str, version: int) -> str:
        """Return the id of the commit that made a version: another table at this path has others.

        It is "" if the log has no such commit, or none any more.
        """
        return delta_log.transaction_of(self.folder(name), version)

    def overwrite(
        self, name: str, df: DataFrame, where: str = "", **options: str | int | tuple[str, ...]
    ) -> int:
        """Replace the table, or its rows that fulfil the SQL condition `where`, in one commit.

        A table that is replaced as a whole gets the current schema. The options are those of
        Spark's writer, and `partition_by`, a tuple of columns. Returns the number of rows written.

        Raises:
            SchemaError: `df` lacks a column or has it with another type.
        """
        writer = self._writer(name, df, options).mode("overwrite")
        if not where:
            writer = writer.option("overwriteSchema", "true")
        elif self.exists(name):
            writer = writer.option("replaceWhere", where)
        return self._save(name, writer)

    def append(self, name: str, df: DataFrame, **options: str | int | tuple[str, ...]) -> int:
        """Add rows in one commit and return their number.

        Raises:
            SchemaError: `df` lacks a column or has it with another type.
        """
        return self._save(name, self._writer(name, df, options).mode("append"))

    def delete(self, name: str, where: Column) -> None:
        """Delete the rows that fulfil `where`, in one commit."""
        with self._commit_metadata():
            retry_on_conflict(lambda: self._delta(name).delete(where))

    def merge(
        self,
        name: str,
        changes: DataFrame,
        on: str,
        when: Callable[[DeltaMergeBuilder], DeltaMergeBuilder],
    ) -> Mapping[str, int]:
        """Change rows of the table in one commit. There is no commit where no row changes.

        Args:
            name: of a table that exists.
            changes: at most one row for each row of the table; conditions call it `s`.
            on: the condition that a row of the table, `t`, and a row of `changes` belong together.
            when: adds the clauses that say what happens to the rows.

        Returns:
            What the commit did, such as "numTargetRowsUpdated"; empty without a commit.
        """
        before, commit = delta_log.newest_version(self.folder(name)), self._about_commit()
        with self._commit_metadata(commit), session_settings(self.spark, WHOLE_FILES):
            merge = when(self._delta(name).alias("t").merge(changes.alias("s"), on))
            retry_on_conflict(merge.execute)
        return delta_log.metrics_of(self.folder(name), commit["commit"], before)

    def pack(self, name: str, file_bytes: int, settings: Mapping[str, str] | None = None) -> None:
        """Combine files below half of `file_bytes` into files of up to `file_bytes`.

        No row changes. With a `cluster_by` layout, files of any size that are not sorted yet are
        sorted. Files that are sorted already join them until SORTED_BYTES are together.
        """
        limits = {
            "maxFileSize": file_bytes,
            "minFileSize": file_bytes // 2,
            "clustering.mergeStrategy.minCubeSize.threshold": SORTED_BYTES,
        }
        keys = {f"spark.databricks.delta.optimize.{key}": str(n) for key, n in limits.items()}
        with self._commit_metadata(), session_settings(self.spark, {**keys, **(settings or {})}):
            retry_on_conflict(self._delta(name).optimize().executeCompaction)

    def set_property(self, name: str, key: str, value: str) -> None:
        """Set one of the table's properties, unless it has that value already."""
        if self.detail(name)["properties"].get(key) != value:
            change = (
                f"ALTER TABLE delta.`{self.path(name)}` SET TBLPROPERTIES ('{key}' = '{value}')"
            )
            retry_on_conflict(lambda: self.spark.sql(change))

    def detail(self, name: str) -> dict[str, Any]:
        """Return Delta's description of the table: numFiles, sizeInBytes, properties and more."""
        return self._delta(name).detail().collect()[0].asDict()

    def size(self, name: str) -> delta_log.TableSize:
        """Return the number and the bytes of the table's files."""
        if size := delta_log.size(self.folder(name)):
            return size
        detail = self.detail(name)
        return delta_log.TableSize(detail["numFiles"], detail["sizeInBytes"])

    def commits(self, name: str) -> Iterator[delta_log.Commit]:
        """Give the commits that the table's log still has, newest first, each read on demand."""
        return delta_log.commits(self.folder(name))

    def may_have_lost_rows(self, name: str, after: int = -1) -> bool:
        """Return whether a commit after a version may have removed rows, as a DELETE does."""
        return any(map(delta_log.may_remove_rows, delta_log.commits(self.folder(name), after)))

    def last_changes(self, *names: str) -> dict[str, str]:
        """Return, for each table, a text that changes whenever one of its rows changes."""
        return {name: delta_log.last_change(self.folder(name)) for name in names}

    def file_sizes(self, name: str) -> DataFrame:
        """Return the table's files that hold rows: file_path, file_size (bytes)."""
        table = self.spark.read.format("delta").load(self.path(name))
        return table.select("_metadata.file_path", "_metadata.file_size").distinct()

    def files_gone(self, name: str, uris: Iterable[str]) -> list[str]:
        """Return those of these files, as input_file_name() names them, that hold no row now."""
        # The names stay in Java, because one call per file would take seconds.
        found = self.spark.read.format("delta").load(self.path(name))._jdf.inputFiles()
        context = self.spark.sparkContext
        names, java = context._gateway.new_array(context._jvm.Object, len(found)), context._jvm.java
        java.lang.System.arraycopy(found, 0, names, 0, len(found))
        files = java.util.HashSet(java.util.Arrays.asList(names))
        return [uri for uri in uris if not files.contains(unquote(uri))]

    def create_if_missing(self, name: str) -> None:
        """Create an empty table with its schema, so that readers find it even without a row."""
        if self.exists(name):
            return
        layout = LAYOUTS.get(name)
        if layout is None:
            self.append(name, self.spark.createDataFrame([], SCHEMAS[name]))
            return
        builder = DeltaTable.createIfNotExists(self.spark).location(self.path(name))
        if self.catalog:
            builder = builder.tableName(f"{self.catalog}.{name}")
        builder = builder.addColumns(SCHEMAS[name])
        if layout.cluster_by:
            builder = builder.clusterBy(*layout.cluster_by)
        for key, value in layout.properties().items():
            builder = builder.property(key, value)
        builder.execute()

    def _writer(
        self, name: str, df: DataFrame, options: Mapping[str, str | int | tuple[str, ...]]
    ) -> DataFrameWriter:
        if name in LAYOUTS:
            self.create_if_missing(name)
        schema = SCHEMAS[name]
        writer = conform(df, schema, name).to(schema).write.format("delta")
        for key, value in options.items():
            if key == "partition_by" and isinstance(value, tuple):
                writer = writer.partitionBy(*value)
            else:
                writer = writer.option(key, str(value))
        return writer

    def _save(self, name: str, writer: DataFrameWriter) -> int:
        before, commit = delta_log.newest_version(self.folder(name)), self._about_commit()
        writer = writer.options(userMetadata=json.dumps(commit), path=self.path(name))
        if self.catalog:
            self._save_in_catalog(name, writer, commit, is_there=before is not None)
        else:
            retry_on_conflict(writer.save)
        # Delta skips a transaction that it has seen already. Then there is no commit.
        done = delta_log.metrics_of(self.folder(name), commit["commit"], before)
        return done.get("numOutputRows", 0) - done.get("numCopiedRows", 0)

    def _save_in_catalog(
        self, name: str, writer: DataFrameWriter, commit: Mapping[str, Any], is_there: bool
    ) -> None:
        if is_there:
            self.give_name(name)
        # Delta drops the writer's metadata for a new table, but takes the session's.
        with nullcontext() if is_there else self._commit_metadata(commit):
            retry_on_conflict(lambda: writer.saveAsTable(f"{self.catalog}.{name}"))

    def give_name(self, name: str) -> None:
        """Name a table in the catalog that was made by path alone; Delta allows no second table."""
        place = f"USING delta LOCATION {text_in_sql(self.path(name))}"
        self.spark.sql(f"CREATE TABLE IF NOT EXISTS {self.catalog}.{name} {place}")

    @contextmanager
    def _commit_metadata(self, commit: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Store what the rows are made from with commits that take no options of their own."""
        about = json.dumps(dict(self.provenance if commit is None else commit))
        metadata = {"spark.databricks.delta.commitInfo.userMetadata": about}
        with session_settings(self.spark, metadata):
            yield

    def _about_commit(self) -> dict[str, Any]:
        return {**self.provenance, "commit": uuid4().hex}  # An id finds it among others.

    def _delta(self, name: str) -> DeltaTable:
        return DeltaTable.forPath(self.spark, self.path(name))


def count_by(df: DataFrame, column: str | Column) -> dict[str, int]:
    """Return the number of rows for each value of a column that has few values."""
    return {str(row[0]): int(row[1]) for row in df.groupBy(column).count().collect()}
