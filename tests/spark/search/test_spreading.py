"""Rows spread over tasks. Spark's own hash and repartitioning are the subject."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from devise_lib.index.places import place_of
from devise_lib.spark.search.spreading import (
    by_shard,
    partition_values,
    place_of_column,
    spark_hash,
    spread,
)
from tests.embedded import names

pytestmark = pytest.mark.spark

NUMBERS = [0, 1, 2, 41, 2**31 - 1, -1, -(2**31)]


def test_the_hash_is_that_of_spark(spark):
    df = spark.createDataFrame([(n,) for n in NUMBERS], "n int").select("n", F.hash("n").alias("h"))
    wanted = [row["h"] for row in df.collect()]
    assert spark_hash(np.array(NUMBERS, np.int32)).tolist() == wanted


def test_a_place_is_the_same_in_spark_and_in_python(spark):
    ids = [*names(20), "größer", "a b", "x" * 300]
    df = spark.createDataFrame([(name,) for name in ids], "name string")
    found = {row[0]: row[1] for row in df.select("name", place_of_column("name")).collect()}
    assert found == {name: place_of(name) for name in ids}


@pytest.mark.parametrize("count", [1, 7, 64])
def test_each_partition_has_a_value_of_its_own(count):
    parts = spark_hash(np.array(partition_values(count), np.int32)) % count
    assert parts.tolist() == list(range(count))


@pytest.mark.parametrize("numbers", [range(8), [1, 5, 6]])
def test_a_partition_has_one_shard_and_no_row_is_lost(spark, numbers):
    ids = names(400)
    df = spark.createDataFrame([(name,) for name in ids], "name string")
    rows = spread(df.withColumn("place", place_of_column("name")), 8, list(numbers))
    found = rows.withColumn("partition", F.spark_partition_id()).collect()
    assert {(row["partition"], row["shard"]) for row in found} == set(enumerate(numbers))
    wanted = sorted(name for name in ids if place_of(name) >> 57 in numbers)
    assert sorted(row["name"] for row in found) == wanted


def test_batches_are_cut_where_the_shard_changes():
    batches = [
        pa.RecordBatch.from_pydict({"shard": pa.array(shards, pa.int32()), "n": range(len(shards))})
        for shards in ([1, 1, 2], [2], [], [3, 4])
    ]
    found = [(number, batch["n"].to_pylist()) for number, batch in by_shard(iter(batches))]
    assert found == [(1, [0, 1]), (2, [2]), (2, [0]), (3, [0]), (4, [1])]
