"""Work cut into chunks of bounded bytes, and a chunk into tasks of about equal bytes.

Each item has a digest. Digests are spread evenly, so a range of them holds its share of the
bytes: no list of items is sorted or summed up anywhere, and where items are photos a file of PHOTOS
has a narrow range of ids, by which readers leave files out.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.numerics.packing import count_files
from devise_lib.spark.tables.caching import Scratch

ROW_BYTES = 1_000  # what an item costs beside its bytes
UNKNOWN_BYTES = 100_000  # of a photo whose table does not tell
FILES_A_SLOT = 2  # a chunk: what a kill loses, and what Spark's storage has to hold
DIGITS, DIGESTS = 8, 16**8  # of the digest, that are looked at


@dataclass(frozen=True)
class Chunk:
    """Some of the items of a run.

    Attributes:
        items: as they were listed.
        work: the same, widened and dealt to tasks.
    """

    items: DataFrame
    work: DataFrame


def cut_into_chunks(
    items: DataFrame,
    file_bytes: int,
    scratch: Scratch,
    widen: Callable[[DataFrame], DataFrame] = lambda chunk: chunk,
) -> Iterator[Chunk]:
    """The items, a chunk at a time, each with one task for about `file_bytes`.

    Where there are several chunks, the items are saved once by the numbers of these, so that each
    chunk reads its own items alone.

    Args:
        items: persisted; with the columns `digest`, hexadecimal and of DIGITS digits at least, and
            `size_bytes`, null where that is not known.
        file_bytes: bytes of a task.
        scratch: for the items of later chunks.
        widen: gives the items of a chunk what they lack, before they are dealt to tasks.
    """
    slots = items.sparkSession.sparkContext.defaultParallelism
    weights = F.sum(F.coalesce("size_bytes", F.lit(UNKNOWN_BYTES)) + ROW_BYTES)
    rows, total_bytes = items.agg(F.count("*"), weights).collect()[0]
    if not rows:
        return
    files = count_files(total_bytes, rows, file_bytes, slots)
    number = F.conv(F.substring("digest", 1, DIGITS), 16, 10).cast("double")
    numbered = items.withColumn("bucket", F.floor(number * (files / DIGESTS)).cast("int"))
    a_chunk = FILES_A_SLOT * slots
    chunks = math.ceil(files / a_chunk)
    if chunks > 1:
        chunk = F.floor(F.col("bucket") / a_chunk).cast("int")
        read = scratch.save_by_number(numbered.withColumn("chunk", chunk), "chunks", "chunk")
    for index in range(chunks):
        first, some = index * a_chunk, numbered if chunks == 1 else read(index)
        if some is None:
            continue
        count = min(a_chunk, files - first)
        work = one_task_each(widen(some), F.col("bucket") - first, count).drop("bucket")
        yield Chunk(some, work)


def one_task_each(rows: DataFrame, bucket: Column, buckets: int) -> DataFrame:
    """The rows, those of each bucket in a partition of their own.

    Args:
        rows: any.
        bucket: a number from 0.
        buckets: how many there are.
    """
    keys = _keys_of_partitions(rows.sparkSession, buckets)
    longs = F.array(*map(F.lit, keys)).cast("array<bigint>")  # an int has another hash
    key = F.element_at(longs, bucket.cast("int") + 1)
    return rows.withColumn("_key", key).repartition(buckets, "_key").drop("_key")


@functools.lru_cache(maxsize=16)
def _keys_of_partitions(spark: SparkSession, count: int) -> tuple[int, ...]:
    """For each partition a number that Spark's hash brings there."""
    tried = 40 * count  # with 40 a partition, none is left out but once in 10^14
    partition = F.pmod(F.hash("id"), F.lit(count)).alias("partition")
    found = spark.range(tried).groupBy(partition).agg(F.min("id").alias("key")).collect()
    by_partition = {row["partition"]: row["key"] for row in found}
    return tuple(by_partition[number] for number in range(count))
