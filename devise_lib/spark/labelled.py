"""Photos joined with their labels, and split into those to train on and those to test with."""

from collections.abc import Callable, Iterator

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.numerics.splits import is_test, validation_labels
from devise_lib.spark.label_names import by_any_name

FIT, SEEN_FOLD, UNSEEN_FOLD = "fit", "validation_seen", "validation_unseen"
SEEN_SHARE = 0.1  # of the photos of labels to fit on, kept from fitting while settings are chosen


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
    share = F.coalesce("test_share", F.lit(test_share))
    kept = ~F.col("seen") | _make_is_test(seed)("photo_id", share)
    return joined.withColumn("split", F.when(kept, "test").otherwise("train"))


def count_of_no_set(photos: DataFrame, labels: DataFrame) -> int:
    """Photos that have a label, but one that neither is in LABELS nor an alias there."""
    names = by_any_name(labels).select(F.col("name").alias("label"))
    labelled = photos.where("label IS NOT NULL").select("label")
    return labelled.join(F.broadcast(names), "label", "left_anti").count()


def _make_is_test(seed: int) -> Callable[[str, Column], Column]:
    @F.pandas_udf("boolean")
    def test(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
        for ids, shares in batches:
            chosen = [is_test(i, share, seed) for i, share in zip(ids, shares, strict=True)]
            yield pd.Series(chosen, dtype=bool)

    return test


def with_fold(photos: DataFrame, share: float, seed: int) -> DataFrame:
    """Photos with `fold`: what each is for while the settings of a method are chosen.

    Training photos are for fitting, but for those of the labels that play the unseen ones then, and
    a tenth of the others. What is chosen is trained on all of them.

    Args:
        photos: photo_id, label, split.
        share: of the labels of training photos that play the unseen ones.
        seed: of both choices.
    """
    train = F.col("split") == "train"
    labels = [row["label"] for row in photos.where(train).select("label").distinct().collect()]
    held_out = F.col("label").isin(validation_labels(labels, share, seed))
    photo = _make_is_test(seed)(F.concat(F.lit("fold:"), "photo_id"), F.lit(SEEN_SHARE))
    fold = (
        F.when(~train, "test")
        .when(held_out, UNSEEN_FOLD)
        .when(photo & F.lit(share > 0), SEEN_FOLD)
        .otherwise(FIT)
    )
    return photos.withColumn("fold", fold)


def has_vector() -> Column:
    """LABELS rows that can be a candidate."""
    return F.col("vector").isNotNull()
