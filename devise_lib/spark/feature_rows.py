"""FEATURES for training: their sums by role, and the vectors of their labels."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.numerics.candidates import CandidateSet
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.validation import Validation
from devise_lib.numerics.vectors import stack_rows
from devise_lib.spark.labelled import FIT, UNSEEN_FOLD, has_vector

MOMENTS = "fold string, labels array<string>, counts binary, sums binary, xx binary"
Vectors = dict[str, NDArray[np.float32]]


def label_vectors(labels: DataFrame, column: str = "vector") -> Vectors:
    """The vector of every label that has one; as many as labels, never as photos.

    Args:
        labels: LABELS.
        column: "vector", or "random_vector" for the control.
    """
    rows = labels.where(has_vector()).select("label", column).distinct().collect()
    return {row["label"]: np.array(row[column], dtype=np.float32) for row in rows}


def training_labels(rows: DataFrame, vectors: Vectors) -> list[str]:
    """The labels of the training rows, in order.

    Raises:
        InputError: one has no vector, so FEATURES were made with other LABELS.
    """
    labels = sorted(row["label"] for row in rows.select("label").distinct().collect())
    if strange := [label for label in labels if label not in vectors]:
        raise InputError(
            f"FEATURES have labels without a vector in LABELS ({', '.join(strange[:5])}): LABELS "
            "changed since; run extract_features again"
        )
    return labels


def feature_moments(rows: DataFrame) -> dict[str, ClassMoments]:
    """Sums over the features of each fold; each task sends one row of sums a fold.

    Args:
        rows: fold, label, feature.

    Raises:
        InputError: there is no row.
    """

    def sum_up(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        totals: dict[str, ClassMoments] = {}
        for batch in batches:
            for fold, part in batch.groupby("fold"):
                features = np.stack(part["feature"].to_list())
                _add(totals, str(fold), ClassMoments.of(features, part["label"].to_list()))
        for fold, total in totals.items():
            arrays = (total.counts, total.sums, total.xx)
            values = [[fold], [total.labels], *([array.tobytes()] for array in arrays)]
            yield pd.DataFrame(dict(zip(_COLUMNS, values, strict=True)))

    totals: dict[str, ClassMoments] = {}
    for row in (
        rows.select("fold", "label", "feature").mapInPandas(sum_up, MOMENTS).toLocalIterator()
    ):
        counts = np.frombuffer(row["counts"], dtype=np.int64)
        sums = np.frombuffer(row["sums"]).reshape(len(counts), -1)
        xx = np.frombuffer(row["xx"]).reshape(sums.shape[1], -1)
        _add(totals, row["fold"], ClassMoments(row["labels"], counts, sums, xx))
    if not totals:
        raise InputError("no feature to train on: no photo of a seen label that has a word vector")
    return totals


_COLUMNS = ("fold", "labels", "counts", "sums", "xx")


def _add(totals: dict[str, ClassMoments], fold: str, part: ClassMoments) -> None:
    totals[fold] = totals[fold] + part if fold in totals else part


def total_moments(by_fold: dict[str, ClassMoments]) -> ClassMoments:
    """The sums over all folds."""
    first, *others = by_fold.values()
    for other in others:
        first = first + other
    return first


def read_validation(
    rows: DataFrame, vectors: Vectors, control: Vectors, photos: int
) -> Validation | None:
    """A bounded sample of the features that trials are not trained on; None where there are none.

    Args:
        rows: FEATURES of the training split.
        vectors, control: of all labels.
        photos: the most that are taken, the same ones at each call.
    """
    fit = {
        row["label"]
        for row in rows.where(F.col("fold") == FIT).select("label").distinct().collect()
    }
    kept = rows.where(F.col("fold") != FIT).orderBy(F.xxhash64("photo_id")).limit(photos)
    found = kept.select("fold", "label", "feature").collect()
    if len({row["fold"] for row in found}) < 2:
        return None
    held_out = {row["label"] for row in found if row["fold"] == UNSEEN_FOLD}
    labels = sorted(fit | held_out)
    candidates = CandidateSet(
        labels,
        np.array([label in fit for label in labels]),
        np.stack([vectors[label] for label in labels]),
        np.stack([control[label] for label in labels]),
    )
    features = [row["feature"] for row in found]
    truth = np.array([candidates.place[row["label"]] for row in found])
    return Validation(stack_rows(features, len(features[0])), truth, candidates)
