"""Cuts the work into chunks of bounded bytes, and each chunk into tasks of about equal bytes.

Each item has a digest. Digests are spread evenly, so each range of digests holds its share of the
bytes. No list of items must be sorted or summed up. Where the items are photos, each file of PHOTOS
gets a narrow range of ids, by which readers skip files.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.numerics.packing import count_files
from devise_lib.spark.tables.caching import Scratch

ROW_BYTES = 1_000  # cost of an item beside its bytes
UNKNOWN_BYTES = 100_000  # assumed for a photo whose table has no size
FILES_PER_SLOT = 2  # in a chunk, which a kill loses, and which Spark's storage must hold
DIGITS, DIGESTS = 8, 16**8  # leading digits of a digest that are used, and their values


@dataclass(frozen=True)
class Chunk:
    """Some of the items of a run.

    Attributes:
        items: as they were listed.
        work: the same items after `widen`, distributed to tasks.
    """

    items: DataFrame
    work: DataFrame


def cut_into_chunks(
    items: DataFrame,
    file_bytes: int,
    scratch: Scratch,
    widen: Callable[[DataFrame], DataFrame] = lambda chunk: chunk,
) -> Iterator[Chunk]:
    """Give the items chunk by chunk, with one task for about `file_bytes`.

    If there are several chunks, the items are saved once by chunk, so that each chunk reads only
    its own items.

    Args:
        items: persisted, with `digest` (at least DIGITS hexadecimal digits) and `size_bytes`, which
            is null where the size is not known.
        file_bytes: bytes per task.
        scratch: for the items of later chunks.
        widen: adds columns to the items of a chunk before they are distributed to tasks.
    """
    slots = items.sparkSession.sparkContext.defaultParallelism
    weights = F.sum(F.coalesce("size_bytes", F.lit(UNKNOWN_BYTES)) + ROW_BYTES)
    rows, total_bytes = items.agg(F.count("*"), weights).collect()[0]
    if not rows:
        return
    files = count_files(total_bytes, rows, file_bytes, slots)
    number = F.conv(F.substring("digest", 1, DIGITS), 16, 10).cast("double")
    numbered = items.withColumn("bucket", F.floor(number * (files / DIGESTS)).cast("int"))
    files_per_chunk = FILES_PER_SLOT * slots
    chunks = math.ceil(files / files_per_chunk)
    if chunks > 1:
        chunk = F.floor(F.col("bucket") / files_per_chunk).cast("int")
        read = scratch.save_by_number(numbered.withColumn("chunk", chunk), "chunks", "chunk")
    for index in range(chunks):
        first, some = index * files_per_chunk, numbered if chunks == 1 else read(index)
        if some is None:
            continue
        count = min(files_per_chunk, files - first)
        work = one_task_each(widen(some), F.col("bucket") - first, count).drop("bucket")
        yield Chunk(some, work)


def one_task_each(rows: DataFrame, bucket: Column, buckets: int) -> DataFrame:
    """Return the rows, with those of each bucket in a partition of their own.

    Args:
        rows: any rows.
        bucket: the bucket of a row, from 0.
        buckets: number of buckets.
    """
    keys = _keys_of_partitions(rows.sparkSession, buckets)
    longs = F.array(*map(F.lit, keys)).cast("array<bigint>")  # An int has another hash.
    key = F.element_at(longs, bucket.cast("int") + 1)
    return rows.withColumn("_key", key).repartition(buckets, "_key").drop("_key")


@functools.lru_cache(maxsize=16)
def _keys_of_partitions(spark: SparkSession, count: int) -> tuple[int, ...]:
    """Return for each partition a number that Spark's hash puts there."""
    tried = 40 * count  # With 40 per partition, one stays empty once in 10^14 cases.
    partition = F.pmod(F.hash("id"), F.lit(count)).alias("partition")
    found = spark.range(tried).groupBy(partition).agg(F.min("id").alias("key")).collect()
    by_partition = {row["partition"]: row["key"] for row in found}
    return tuple(by_partition[number] for number in range(count))
