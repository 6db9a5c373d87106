"""Rows spread over tasks by their ids, so that each task has one shard and about as many rows."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
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
    values = partition_values(len(numbers))
    value_of = dict(zip(numbers, values, strict=True))
    by_shard = F.lit([value_of.get(number, 0) for number in range(shards)])
    return numbered.repartition(len(numbers), by_shard[F.col("shard")])


def partition_values(count: int) -> list[int]:
    """Return numbers that `repartition(count, ...)` sends to the partitions 0, 1, ..., one each.

    Spark sends a row to the partition of its value's hash. Without care, of 100 shards some 37
    partitions would get none, and others two or more.
    """
    tried = np.arange(32 * count, dtype=np.int32)
    while True:
        parts, firsts = np.unique(spark_hash(tried) % count, return_index=True)
        if len(parts) == count:
            return [int(value) for value in tried[firsts]]
        tried = np.arange(2 * len(tried), dtype=np.int32)


def spark_hash(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Returns the hash that Spark gives to whole numbers: Murmur3 (x86, 32 bits) of the seed 42.

    Source: A. Appleby, MurmurHash3, public domain; org.apache.spark.unsafe.hash.Murmur3_x86_32.
    """
    mixed = _rotated(values.astype(np.uint32) * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
    found = _rotated(np.uint32(42) ^ mixed, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    found ^= np.uint32(4)  # the length of a value in bytes
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        found = (found ^ (found >> np.uint32(shift))) * np.uint32(factor)
    return (found ^ (found >> np.uint32(16))).view(np.int32)


def _rotated(values: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return (values << np.uint32(bits)) | (values >> np.uint32(32 - bits))


def by_shard(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield pieces of batches that belong to one shard each."""
    for batch in batches:
        numbers = batch["shard"].to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(bounds):
            if stop > start:
                yield int(numbers[start]), batch.slice(start, stop - start)
