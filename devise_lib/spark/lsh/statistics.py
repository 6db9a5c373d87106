"""BUCKET_STATISTICS: how evenly a hash spreads the photos, and what to try if it does not."""

from dataclasses import fields

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.console import print_line
from devise_lib.lsh.buckets import TableStatistics, advise
from devise_lib.spark.lsh.hashes import StoredHash
from devise_lib.spark.tables.delta_tables import Tables


def write_statistics(tables: Tables, made: StoredHash, model_id: str) -> list[TableStatistics]:
    """Replace the statistics of a model, print a line for each remedy, and return them by table."""
    signatures = tables.of_model("signatures", model_id).where(F.col("hash_id") == made.hash_id)
    about = {"model_id": F.lit(model_id), "hash_id": F.lit(made.hash_id)}
    rows = bucket_statistics(signatures, made.hash.bits, made.prefix_bits).withColumns(about)
    tables.overwrite("bucket_statistics", rows, where=f"model_id = '{model_id}'")
    names = [each.name for each in fields(TableStatistics)]
    written = tables.of_model("bucket_statistics", model_id).orderBy("table").select(*names)
    found = [TableStatistics(**row.asDict()) for row in written.collect()]
    for line in advise(found, str(made.row["kind"])) if found else []:
        print_line(f"build_signatures  {line}")
    return found


def bucket_statistics(signatures: DataFrame, bits: int, prefix: int) -> DataFrame:
    """Return the statistics of each hash table, one row each; only Spark's functions compute them.

    Args:
        signatures: of one hash.
        bits: of its codes.
        prefix: the length of the prefixes that are the buckets.
    """
    each = signatures.select(F.posexplode("codes").alias("table", "code"))
    ones = [F.sum(F.getbit("code", F.lit(bits - 1 - i))).alias(f"bit{i}") for i in range(bits)]
    buckets = each.groupBy("table", F.shiftright("code", bits - prefix).alias("bucket")).agg(
        F.count("*").alias("n"), *ones
    )
    n = F.col("n").cast("double")
    sums = buckets.groupBy("table").agg(
        F.sum("n").alias("photos"),
        F.count("*").alias("occupied"),
        F.max("n").alias("largest"),
        F.sum(n * n).alias("squares"),
        F.sum(n * F.log2(n)).alias("logs"),
        F.array(*(F.sum(f"bit{i}").cast("double") for i in range(bits))).alias("ones"),
    )
    return sums.select(
        "table",
        "photos",
        F.lit(prefix).alias("bits"),
        "occupied",
        "largest",
        (F.col("largest") / F.col("photos")).alias("largest_share"),
        (F.col("squares") / F.col("photos")).alias("expected_candidates"),
        (F.log2("photos") - F.col("logs") / F.col("photos")).alias("entropy"),
        F.transform("ones", lambda one: one / F.col("photos")).alias("balance"),
    )
