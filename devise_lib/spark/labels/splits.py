"""Joins photos with their labels, and splits them into training and test photos, and into folds."""

from collections.abc import Callable, Iterator

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from devise_lib.numerics.splits import fold_of, is_test
from devise_lib.spark.labels.lookup import resolve_aliases

VALIDATION_SHARE = 0.1  # of the training photos, left out of fitting while settings are chosen


def labelled_photos(
    photos: DataFrame, labels: DataFrame, test_share: float, seed: int
) -> DataFrame:
    """Return the photos whose label is in LABELS, with label (aliases resolved), seen and split.

    A label may be in several label sets. The photo still gets one row, and is seen only if every
    set calls the label seen.

    Args:
        photos: PHOTOS.
        labels: LABELS.
        test_share: share of the photos of seen labels that are for testing, unless a photo has its
            own `test_share`; photos of unseen labels always are.
        seed: of the choice.
    """
    names = resolve_aliases(labels).select(F.col("name").alias("alias"), "label", "seen")
    joined = (
        photos.withColumnRenamed("label", "alias").join(F.broadcast(names), "alias").drop("alias")
    )
    share = F.coalesce("test_share", F.lit(test_share))
    kept = ~F.col("seen") | _make_is_test(seed)("photo_id", share)
    return joined.withColumn("split", F.when(kept, "test").otherwise("train"))


def count_without_label_set(photos: DataFrame, labels: DataFrame) -> int:
    """Count the photos whose label is neither in LABELS nor an alias there."""
    names = resolve_aliases(labels).select(F.col("name").alias("label"))
    labelled = photos.where("label IS NOT NULL").select("label")
    return labelled.join(F.broadcast(names), "label", "left_anti").count()


def _make_is_test(seed: int) -> Callable[[str, Column], Column]:
    @F.pandas_udf("boolean")
    def test(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
        for ids, shares in batches:
            chosen = [is_test(i, share, seed) for i, share in zip(ids, shares, strict=True)]
            yield pd.Series(chosen, dtype=bool)

    return test


def with_fold(photos: DataFrame, folds: int, seed: int) -> DataFrame:
    """Return photos with `fold` and `is_validation_photo`: their part in choosing settings.

    Settings are tried once per fold. They are fitted without the photos of the fold's labels, which
    stand for unseen labels, and without validation photos, which validate the other labels. The
    chosen settings are then trained on all photos.

    Args:
        photos: photo_id, label, split.
        folds: number of parts that the labels are divided into; 0: nothing is held out.
        seed: of both choices.
    """
    if not folds:
        nothing = photos.withColumn("fold", F.lit(None).cast("int"))
        return nothing.withColumn("is_validation_photo", F.lit(False))
    train = F.col("split") == "train"
    kept = _make_is_test(seed)(F.concat(F.lit("fold:"), "photo_id"), F.lit(VALIDATION_SHARE))
    return photos.withColumn("fold", F.when(train, _make_fold_of(folds, seed)("label"))).withColumn(
        "is_validation_photo", F.when(train, kept).otherwise(False)
    )


def _make_fold_of(folds: int, seed: int) -> Callable[[str], Column]:
    @F.pandas_udf("int")
    def fold(labels: pd.Series) -> pd.Series:
        return pd.Series([fold_of(label, folds, seed) for label in labels], dtype="int32")

    return fold


def has_vector() -> Column:
    """Return the condition that a row of LABELS has a vector, and so can be a candidate."""
    return F.col("vector").isNotNull()
