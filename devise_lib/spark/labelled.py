"""Photos joined with their labels, and split into those to train on and those to test with."""

from collections.abc import Iterator

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.numerics.splits import is_test
from devise_lib.spark.label_names import by_any_name


def labelled_photos(
    photos: DataFrame, labels: DataFrame, test_share: float, seed: int
) -> DataFrame:
    """PHOTOS whose label is in LABELS, with label (aliases resolved), seen and split.

    A label may be in several label sets; the photo gets one row all the same, and is seen only
    where no set calls it unseen.
    """
    names = by_any_name(labels).select(F.col("name").alias("alias"), "label", "seen")
    joined = (
        photos.withColumnRenamed("label", "alias").join(F.broadcast(names), "alias").drop("alias")
    )
    held_back = F.coalesce("held_out", F.lit(False)) | ~F.col("seen")
    kept = _make_is_test(test_share, seed)(F.col("photo_id"))
    return joined.withColumn("split", F.when(held_back | kept, "test").otherwise("train"))


def _make_is_test(share: float, seed: int):  # type: ignore[no-untyped-def]  # pyspark's own type
    @F.pandas_udf("boolean")
    def test(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for batch in batches:
            yield batch.map(lambda photo_id: is_test(photo_id, share, seed)).astype(bool)

    return test


def has_vector() -> Column:
    """LABELS rows that can be a candidate."""
    return F.col("vector").isNotNull()
