"""DataFrames that are computed once and read several times.

| way | where the rows are | when to use it |
|---|---|---|
| `PersistScope` | memory, then disk | The tables that the rows come from stay as they are. |
| `on_disk` | the executors' disks | The same, for rows that are too many for memory. |
| `Scratch` | the work folder | The run changes one of these tables. |

A commit to a Delta table makes Spark forget all persisted rows that come from the table.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from pyspark import StorageLevel
from pyspark.sql import DataFrame

from devise_lib.spark.platform.literal_paths import read_parquet
from devise_lib.spark.platform.stores import spark_path
from devise_lib.storage.stores import clean_up, store_files

Persist = Callable[[DataFrame], DataFrame]  # persists until the caller's scope ends


class PersistScope(ExitStack):
    """Persists the DataFrames that it is called with until the `with` block ends."""

    def __call__(self, df: DataFrame) -> DataFrame:
        """Return the DataFrame, computed once: in memory, and on disk where memory is full."""
        self.callback(df.unpersist)
        return df.persist()


@contextmanager
def on_disk(df: DataFrame) -> Iterator[DataFrame]:
    """Give the DataFrame, computed once, on the executors' disks until the `with` block ends."""
    persisted = df.persist(StorageLevel.DISK_ONLY)
    try:
        yield persisted
    finally:
        persisted.unpersist()


class Scratch:
    """A folder of rows that a run writes and reads again. It is empty before and after the run.

    It holds rows that come from tables that the run changes later. Persisted rows of such a table
    would be computed again, from its new state.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def save(self, df: DataFrame, name: str, more: bool = False) -> DataFrame:
        """Write the rows as they are now, and return the copy; `more` adds to an older copy."""
        path = spark_path(df.sparkSession, f"{self._folder}/{name}")
        df.write.mode("append" if more else "overwrite").parquet(path)
        return read_parquet(df.sparkSession, path, schema=df.schema)

    def save_by_number(
        self, df: DataFrame, name: str, column: str
    ) -> Callable[[int], DataFrame | None]:
        """Write the rows in groups, by the whole number in one of their columns.

        Returns:
            A function that reads the rows of one number, without that column; None where there are
            none.
        """
        folder = spark_path(df.sparkSession, f"{self._folder}/{name}")
        df.repartition(column).write.mode("overwrite").partitionBy(column).parquet(folder)
        schema = df.drop(column).schema

        def read(number: int) -> DataFrame | None:
            part = f"{column}={number}"
            if store_files().status(f"{self._folder}/{name}/{part}") is None:
                return None
            return read_parquet(df.sparkSession, f"{folder}/{part}", schema=schema)

        return read

    def __enter__(self) -> "Scratch":
        store_files().remove(self._folder)  # of a run that was killed
        return self

    def __exit__(self, *_: object) -> None:
        clean_up(self._folder)
