"""Results that are computed once: persisted in Spark's storage, or in a folder for a run's time."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pyspark.sql import DataFrame

from devise_lib.spark.platform.literal_paths import read_parquet

Persist = Callable[[DataFrame], DataFrame]  # persists for as long as the caller says


class PersistScope(ExitStack):
    """Frees, at the end of the `with`, what it was called with."""

    def __call__(self, df: DataFrame) -> DataFrame:
        """The DataFrame, computed once: in memory, and on disk where that is full."""
        self.callback(df.unpersist)
        return df.persist()


class Scratch:
    """A folder of results that a run writes and reads again; empty at its beginning and end.

    For what is made of tables that the run then changes: Delta's commits make Spark forget all
    persisted results that the table is part of, which would then be of its new state.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def save(self, df: DataFrame, name: str, more: bool = False) -> DataFrame:
        """The rows as they are now; with `more` together with those saved under the name before."""
        path = f"{self._folder}/{name}"
        df.write.mode("append" if more else "overwrite").parquet(path)
        return read_parquet(df.sparkSession, path, schema=df.schema)

    def deal(self, df: DataFrame, name: str, column: str) -> Callable[[int], DataFrame | None]:
        """Save rows by a whole number that they have, each number's in files of their own.

        Returns:
            Gives the rows of a number, and reads no others; None where there are none.
        """
        folder = f"{self._folder}/{name}"
        df.repartition(column).write.mode("overwrite").partitionBy(column).parquet(folder)
        schema = df.drop(column).schema

        def read(number: int) -> DataFrame | None:
            part = f"{folder}/{column}={number}"
            if not Path(part).exists():
                return None
            return read_parquet(df.sparkSession, part, schema=schema)

        return read

    def __enter__(self) -> "Scratch":
        shutil.rmtree(self._folder, ignore_errors=True)  # of a run that was killed
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
