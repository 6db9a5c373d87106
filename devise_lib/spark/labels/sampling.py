"""Bounded samples that have many labels."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def choose_labels(unseen: Sequence[str], seen: Sequence[str], n: int) -> list[str]:
    """n labels, half of them unseen where there are as many; the first of each."""
    half = max(n // 2, n - len(seen))
    return [*unseen[:half], *seen][:n]


def spread(photos: DataFrame, by: str, n: int, each: int | None = None) -> DataFrame:
    """At most n photos, of as many values of the column `by` as can be, always the same ones.

    Args:
        photos: with photo_id.
        by: name of the column.
        n: how many.
        each: the most of one value; None: n.
    """
    by_hash = F.xxhash64("photo_id")
    turn = F.row_number().over(Window.partitionBy(by).orderBy(by_hash, "photo_id"))
    taken = photos.withColumn("turn", turn).where(F.col("turn") <= (each or n))
    return taken.orderBy("turn", by_hash, "photo_id").limit(n).drop("turn")
