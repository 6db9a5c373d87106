"""Folds of the training labels: settings are tried on one fold after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config.types import JobConfig
from devise_lib.numerics.candidates import CandidateSet, SoftmaxLayer
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.paired import LabelScores
from devise_lib.numerics.validation import Score, Validation
from devise_lib.spark.features.moments import (
    Part,
    Vectors,
    collect_features,
    feature_labels,
    feature_moments,
    total_moments,
)

# Two labels with this cosine name nearly the same thing: "crab", "Dungeness crab".
SAME_LABEL_COSINE = 0.9
MIN_NEW_LABELS = 10  # With fewer labels that are new to the backbone, all labels are used.


@dataclass(frozen=True)
class Fold:
    """Training photos without those of some labels, and the photos to validate with.

    Attributes:
        number: value of the column `fold` of FEATURES.
        rows: FEATURES to fit on.
        moments: the sums of these rows.
        validation: photos of the labels held out, and of some labels that are fitted on.
    """

    number: int
    rows: DataFrame
    moments: ClassMoments
    validation: Validation


@dataclass(frozen=True)
class TrainingFeatures:
    """FEATURES of the training split, and what is known of their labels.

    Attributes:
        rows: FEATURES of the training split.
        moments: their sums by part.
        vectors, control: by label, (d_word,); the control's are random.
        layer: the backbone's softmax.
    """

    rows: DataFrame
    moments: Mapping[Part, ClassMoments]
    vectors: Vectors
    control: Vectors
    layer: SoftmaxLayer

    @classmethod
    def of(
        cls, features: DataFrame, vectors: Vectors, control: Vectors, layer: SoftmaxLayer
    ) -> "TrainingFeatures":
        """Sum up the training split of `features`, whose labels must all have vectors.

        Raises:
            InputError: a label has no vector, or the split has no row.
        """
        feature_labels(features, vectors)
        rows = features.where("split = 'train'")
        return cls(rows, feature_moments(rows), vectors, control, layer)

    @cached_property
    def total(self) -> ClassMoments:
        """The sums over all parts."""
        return total_moments(self.moments.values())


def make_folds(training: TrainingFeatures, photos: int, wanted: int = 0) -> list[Fold]:
    """Return the folds that have labels to fit on and photos of both kinds to validate with.

    Labels held out stand for labels that nobody has seen. But a backbone was trained on classes of
    its own, and photos of these lie apart in its features, whatever the projection does. Such
    photos would favour long training. So only photos of labels that are new to the backbone
    validate, if there are enough such labels. The other labels held out are only candidates.

    Args:
        training: what is divided.
        photos: the most validation photos per fold, the same ones at each call.
        wanted: the most folds, the first ones; 0: all.

    Returns:
        The folds; perhaps none.
    """
    new = new_labels(training.total.labels, training.vectors, training.layer)
    numbers = sorted({fold for fold, _ in training.moments if fold is not None})
    folds = (_make_fold(training, number, new, photos) for number in numbers)
    return list(islice((fold for fold in folds if fold is not None), wanted or None))


def _make_fold(training: TrainingFeatures, number: int, new: set[str], photos: int) -> Fold | None:
    parts = training.moments.items()
    fitted = [part for (fold, kept), part in parts if fold != number and not kept]
    held_out = {label for (fold, _), part in parts if fold == number for label in part.labels}
    if not fitted or not held_out & new:
        return None
    total = total_moments(fitted)
    labels = sorted({*total.labels, *held_out})
    candidates = CandidateSet(
        labels,
        np.array([label not in held_out for label in labels]),
        np.stack([training.vectors[label] for label in labels]),
        np.stack([training.control[label] for label in labels]),
    )
    asked = (held_out & new) | set(total.labels)
    validation = _read(training.rows, number, asked, candidates, photos)
    if validation is None:
        return None
    return Fold(number, training.rows.where(fits(number)), total, validation)


def label_scores(folds: Sequence[Fold], score: Score) -> LabelScores:
    """Return the scores of the labels held out in each fold, by the number of the fold."""
    return {
        fold.number: fold.validation.label_scores(by_label)
        for fold, by_label in zip(folds, score.by_label, strict=True)
    }


def folds_id(config: JobConfig) -> str:
    """Return how labels are divided into folds. Scores can be compared only if it is the same."""
    return f"{config.validation_folds} of seed {config.seed}"


def fits(number: int) -> Column:
    """Return the condition for rows that settings are fitted on in a fold."""
    return (F.col("fold") != number) & ~F.col("is_validation_photo")


def validates(number: int) -> Column:
    """Return the condition for rows that may be validation photos of a fold."""
    return (F.col("fold") == number) | F.col("is_validation_photo")


def new_labels(labels: Iterable[str], vectors: Vectors, layer: SoftmaxLayer) -> set[str]:
    """Return the labels that do not nearly equal a class of the softmax; all if these are too few.

    Args:
        labels: to choose from.
        vectors: of all labels, (d,), unit norm.
        layer: the backbone's softmax.
    """
    known = layer.class_vectors(vectors)  # (classes, d); zeros without a vector
    every = sorted(labels)
    cosines = np.stack([vectors[label] for label in every]) @ known.T
    nearest = np.max(cosines, axis=1, initial=-1.0)
    new = {
        label for label, cosine in zip(every, nearest, strict=True) if cosine < SAME_LABEL_COSINE
    }
    return new if len(new) >= MIN_NEW_LABELS else set(every)


def _read(
    rows: DataFrame, number: int, asked: set[str], candidates: CandidateSet, photos: int
) -> Validation | None:
    names = _column(rows.sparkSession, asked)
    sample = (
        rows.where(validates(number))
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
