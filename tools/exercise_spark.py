"""Does in one session what the jobs do, so that Java loads the classes that they load.

The set-up runs this program. The session starts as every later one does, so its class path is the
same. At its end Java writes the archive of the loaded classes to the given file.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pandas as pd
import pyarrow as pa
from delta import DeltaTable
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from devise_lib.spark.platform.session import start_session

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # the program ends in half a minute
SETTINGS = {
    "master": "local[2]",
    "driver.memory": "1g",
    "sql.shuffle.partitions": "2",
    "sql.ansi.enabled": "true",
}


def main(folder: str, archive: str = "") -> None:
    """Exercises Spark in an empty folder.

    Args:
        folder: for the tables.
        archive: the file to which Java writes the archive; "" to check only Delta.
    """
    signal.signal(signal.SIGTERM, _stop_at_once)
    options = f'{QUICK_START} "-XX:ArchiveClassesAtExit={archive}"' if archive else QUICK_START
    warehouse = str(Path(folder, "warehouse"))
    settings = {**SETTINGS, "sql.warehouse.dir": warehouse}
    if archive:
        options += " -Xlog:disable"  # hides thousands of warnings about classes that are left out
    spark = start_session("set-up", {**settings, "driver.extraJavaOptions": options})
    table = str(Path(folder, "table"))
    rows(spark, 0).write.format("delta").save(table)
    if spark.read.format("delta").load(table).count() != 8:
        sys.exit("Delta lost rows that were written")
    if archive:
        change(spark, table)
        query(spark, table, folder)
        follow(spark, table, folder)
        run_python(spark)
    spark.stop()
    java = SparkContext._gateway.proc
    java.stdin.close()  # Java ends when its input is closed
    if status := java.wait():
        sys.exit(f"Java ended with status {status}")


def rows(spark: SparkSession, first: int) -> DataFrame:
    """Returns eight rows, the first with the id `first`."""
    number = F.col("id")
    return spark.range(first, first + 8, 1, 2).select(
        "id",
        F.when(number % 2 == 0, "a").otherwise("b").alias("part"),
        F.array(number.cast("float"), F.lit(0.5).cast("float")).alias("vector"),
        F.lit(b"photo").alias("bytes"),
    )


def change(spark: SparkSession, path: str) -> None:
    """Makes the kinds of commits that jobs make."""
    more = rows(spark, 4)
    more.write.format("delta").mode("append").option("userMetadata", "{}").save(path)
    replaced = more.where("part = 'a'").write.format("delta").mode("overwrite")
    replaced.option("replaceWhere", "part = 'a'").save(path)
    more.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
    table = DeltaTable.forPath(spark, path)
    merge = table.alias("t").merge(rows(spark, 8).alias("s"), "t.id = s.id")
    changed = {"part": F.lit("c")}
    merge.whenMatchedUpdate(set=changed).whenNotMatchedInsertAll().execute()
    table.delete(F.col("id") == 15)
    table.optimize().executeCompaction()
    table.history().select("version", "operation", "userMetadata").collect()
    table.detail().collect()
    made = DeltaTable.createIfNotExists(spark).location(f"{path}-made")
    made.addColumns(rows(spark, 0).schema).property("delta.enableDeletionVectors", "false")
    made.execute()


def query(spark: SparkSession, path: str, folder: str) -> None:
    """Runs groups, joins and windows, and writes and reads Parquet."""
    table = spark.read.format("delta").load(path).persist()
    table.groupBy("part").agg(F.count("*"), F.max("id"), F.collect_list("id")).collect()
    parts = spark.createDataFrame([("a", 1), ("b", 2)], "part string, number int")
    joined = table.join(F.broadcast(parts), "part", "left")
    best = F.row_number().over(Window.partitionBy("part").orderBy(F.desc("id")))
    chosen = joined.withColumn("best", best).where("best <= 2").orderBy("id").limit(5)
    chosen.write.partitionBy("part").parquet(f"{folder}/parquet")
    spark.read.parquet(f"{folder}/parquet").join(table, "id", "left_anti").count()
    table.select("id", F.explode("vector").alias("value")).distinct().toPandas()
    table.unpersist()


def follow(spark: SparkSession, path: str, folder: str) -> None:
    """Runs a stream that stops at the end of the table."""

    def write(batch: DataFrame, number: int) -> None:
        target = batch.write.format("delta").mode("append")
        target.option("txnAppId", "set-up").option("txnVersion", number).save(f"{folder}/copy")

    stream = spark.readStream.format("delta").load(path).writeStream.foreachBatch(write)
    stream = stream.option("checkpointLocation", f"{folder}/checkpoint")
    stream.trigger(availableNow=True).start().awaitTermination()


def run_python(spark: SparkSession) -> None:
    """Runs Python workers, with and without pandas."""

    def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    @F.pandas_udf("long")
    def next_one(ids: pd.Series) -> pd.Series:
        return ids + 1

    ids = spark.range(0, 8, 1, 1)  # each task starts two workers
    ids.mapInArrow(same, "id long").select(next_one("id")).collect()
    spark.sparkContext.parallelize([1, 2], 2).map(str).collect()


def _stop_at_once(number: int, _: FrameType | None) -> None:
    """Kills Java, too, because Java would write the archive first if it were only asked to stop."""
    gateway = SparkContext._gateway
    if gateway is not None:
        with contextlib.suppress(OSError):
            gateway.proc.kill()
    os._exit(128 + number)


if __name__ == "__main__":
    main(*sys.argv[1:])
