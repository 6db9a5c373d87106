"""Bounded samples with as many labels as possible."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def choose_labels(unseen: Sequence[str], seen: Sequence[str], n: int) -> list[str]:
    """Return the first labels of each list, n in all, half of them unseen if there are enough."""
    half = max(n // 2, n - len(seen))
    return [*unseen[:half], *seen][:n]


def sample_evenly(photos: DataFrame, by: str, n: int, each: int | None = None) -> DataFrame:
    """Return at most n photos, of as many values of a column as possible, and always the same ones.

    Args:
        photos: with photo_id.
        by: name of the column.
        n: number of photos.
        each: most photos of one value; None: n.
    """
    by_hash = F.xxhash64("photo_id")
    turn = F.row_number().over(Window.partitionBy(by).orderBy(by_hash, "photo_id"))
    taken = photos.withColumn("turn", turn).where(F.col("turn") <= (each or n))
    return taken.orderBy("turn", by_hash, "photo_id").limit(n).drop("turn")
