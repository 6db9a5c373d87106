"""Folds of the training labels: what settings are tried on, in turn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config.types import JobConfig
from devise_lib.numerics.candidates import CandidateSet, SoftmaxLayer
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.paired import LabelScores
from devise_lib.numerics.validation import Score, Validation
from devise_lib.spark.features.moments import Part, Vectors, collect_features, total_moments

SAME = 0.9  # cosine from which two labels name nearly the same thing: "crab", "Dungeness crab"
ENOUGH = 10  # labels that are new to the backbone, for these alone to ask


@dataclass(frozen=True)
class Fold:
    """Training photos without those of some labels, and the photos that then ask.

    Attributes:
        number: of FEATURES' column `fold`.
        rows: FEATURES to fit on.
        moments: their sums.
        validation: photos of the labels held out, and some of the labels fitted on.
    """

    number: int
    rows: DataFrame
    moments: ClassMoments
    validation: Validation


def make_folds(
    rows: DataFrame,
    moments: Mapping[Part, ClassMoments],
    vectors: Vectors,
    control: Mapping[str, NDArray[np.float32]],
    layer: SoftmaxLayer,
    photos: int,
    wanted: int = 0,
) -> list[Fold]:
    """The first folds that have labels to fit on, and photos of both kinds to ask; perhaps none.

    The labels held out stand for labels that nobody has seen, but a backbone was trained on
    classes of its own: their photos lie apart in its features whatever the projection does, and
    they would speak for long training. So only labels that are new to the backbone ask, where
    there are enough of them; the others held out are answers to choose from.

    Args:
        rows: FEATURES of the training split.
        moments: their sums by part.
        vectors, control: of all labels.
        layer: the backbone's softmax.
        photos: the most that ask in a fold, the same ones at each call.
        wanted: the most folds; 0: all.
    """
    every = {label for part in moments.values() for label in part.labels}
    asking = new_labels(every, vectors, layer)
    found = []
    for number in sorted({fold for fold, _ in moments if fold is not None}):
        fitted = [part for (fold, kept), part in moments.items() if fold != number and not kept]
        held_out = {
            label for (fold, _), part in moments.items() if fold == number for label in part.labels
        }
        if not fitted or not held_out & asking:
            continue
        total = total_moments(fitted)
        labels = sorted({*total.labels, *held_out})
        candidates = CandidateSet(
            labels,
            np.array([label not in held_out for label in labels]),
            np.stack([vectors[label] for label in labels]),
            np.stack([control[label] for label in labels]),
        )
        asked = (held_out & asking) | set(total.labels)
        validation = _read(rows, number, asked, candidates, photos)
        if validation is not None:
            found.append(Fold(number, rows.where(fits(number)), total, validation))
        if wanted and len(found) == wanted:
            break
    return found


def label_scores(folds: Sequence[Fold], score: Score) -> LabelScores:
    """The scores of the labels held out in each of the folds, by the number of the fold."""
    return {
        fold.number: fold.validation.label_scores(by_label)
        for fold, by_label in zip(folds, score.by_label, strict=True)
    }


def folds_id(config: JobConfig) -> str:
    """How labels are dealt into folds; scores can be compared where it is the same."""
    return f"{config.validation_folds} of seed {config.seed}"


def fits(number: int) -> Column:
    """Rows with `fold` and `is_validation_photo` that settings are fitted on in this fold."""
    return (F.col("fold") != number) & ~F.col("is_validation_photo")


def asks(number: int) -> Column:
    """Those that may ask then."""
    return (F.col("fold") == number) | F.col("is_validation_photo")


def new_labels(labels: Iterable[str], vectors: Vectors, layer: SoftmaxLayer) -> set[str]:
    """Those that are not nearly the same as a class of the softmax; all, where they are too few."""
    known = layer.class_vectors(vectors)  # (classes, d), zeros for those without a vector
    every = sorted(labels)
    cosines = np.stack([vectors[label] for label in every]) @ known.T
    nearest = np.max(cosines, axis=1, initial=-1.0)
    new = {label for label, cosine in zip(every, nearest, strict=True) if cosine < SAME}
    return new if len(new) >= ENOUGH else set(every)


def _read(
    rows: DataFrame, number: int, asked: set[str], candidates: CandidateSet, photos: int
) -> Validation | None:
    names = _column(rows.sparkSession, asked)
    sample = (
        rows.where(asks(number))
        .join(F.broadcast(names), "label", "left_semi")
        .orderBy(F.xxhash64("photo_id"))
        .limit(photos)
    )
    features, labels = collect_features(sample, ("label",))
    truth = np.array([candidates.place[label] for (label,) in labels], dtype=np.int64)
    if len(np.unique(candidates.seen[truth])) < 2:
        return None
    return Validation(features, truth, candidates)


def _column(spark: SparkSession, labels: set[str]) -> DataFrame:
    return spark.createDataFrame([(label,) for label in sorted(labels)], "label string")
