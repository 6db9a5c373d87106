"""Rows spread over tasks by their ids, so that each task has one shard and about as many rows."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.index.places import PLACE_BITS


def place_of_column(name: str) -> Column:
    """Return the place of the ids in a column, as `index.places.place_of` computes it."""
    digits = F.substring(F.sha2(name, 256), 1, PLACE_BITS // 4)
    return F.conv(digits, 16, 10).cast("long")


def spread(rows: DataFrame, shards: int, numbers: Sequence[int]) -> DataFrame:
    """Return the rows of some shards, with the column `shard`, and a partition for each shard.

    Args:
        rows: with the column `place`.
        shards: their number, a power of two. Shard i has the i-th part of all places.
        numbers: of the shards that are wanted.
    """
    shard = F.shiftright("place", PLACE_BITS - (shards.bit_length() - 1)).cast("int")
    numbered = rows.withColumn("shard", shard)
    if len(numbers) < shards:
        numbered = numbered.where(F.col("shard").isin(*numbers))
    values = partition_values(rows.sparkSession, len(numbers))
    value_of = dict(zip(numbers, values, strict=True))
    by_shard = F.lit([value_of.get(number, 0) for number in range(shards)])
    return numbered.repartition(len(numbers), by_shard[F.col("shard")])


def partition_values(spark: SparkSession, count: int) -> list[int]:
    """Return numbers that `repartition(count, ...)` sends to the partitions 0, 1, ..., one each.

    Spark sends a row to the partition of its value's hash. Without care, of 100 shards some 37
    partitions would get none, and others two or more.
    """
    tried = 32 * count
    while True:
        ids = spark.range(tried).select(F.col("id").cast("int"))
        part = F.pmod(F.hash("id"), F.lit(count)).alias("part")
        found = ids.groupBy(part).agg(F.min("id").alias("id")).orderBy("part").collect()
        if len(found) == count:
            return [int(row["id"]) for row in found]
        tried *= 2


def by_shard(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield pieces of batches that belong to one shard each."""
    for batch in batches:
        numbers = batch["shard"].to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(bounds):
            if stop > start:
                yield int(numbers[start]), batch.slice(start, stop - start)
