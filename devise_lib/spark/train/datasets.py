"""What the trainings of a projection read: rows of FEATURES, and the vectors of their labels."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.training import TrainDevise
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import CONTROL, METHOD, SoftmaxLayer
from devise_lib.numerics.closed_form import classifier_weights
from devise_lib.numerics.moments import ClassMoments
from devise_lib.spark.features.folds import Fold, TrainingFeatures
from devise_lib.spark.features.moments import Vectors
from devise_lib.spark.labels.splits import has_vector
from devise_lib.training.plan import DatasetSpec, FoldSpec
from devise_lib.training_choices import Negatives


def make_datasets(
    training: TrainingFeatures, folds: Sequence[Fold], labels: DataFrame, config: TrainDevise
) -> tuple[dict[str, DatasetSpec], list[FoldSpec]]:
    """Return what the kept trainings read, by method, and what the trials read, by fold.

    A trial knows no label held out in its fold.

    Args:
        training: all training photos.
        folds: to choose settings on.
        labels: LABELS.
        config: of the job.

    Raises:
        InputError: training is to start from the softmax, but it has no label with a vector.
    """
    wrong = further_labels(labels, training.total.labels, config.negatives)
    by_method = {METHOD: training.vectors, CONTROL: training.control}

    def dataset(
        rows: DataFrame, moments: ClassMoments, held_out: Collection[str], method: str
    ) -> DatasetSpec:
        vectors = by_method[method]
        known = {label: vector for label, vector in vectors.items() if label not in held_out}
        trained_on = list(moments.labels)
        starts = "softmax" in config.start
        targets = [*trained_on, *(label for label in wrong if label in known)]
        return DatasetSpec(
            rows.inputFiles(),  # of this version and these partitions only
            moments.rows,
            trained_on,
            np.stack([vectors[label] for label in targets]),
            _softmax_start(moments, known, training.layer, config) if starts else None,
            moments.mean,
            moments.deviation,
        )

    full = {method: dataset(training.rows, training.total, (), method) for method in by_method}
    tried = []
    for fold in folds:
        fit = fold.rows, fold.moments, fold.validation.held_out
        tried.append(FoldSpec(dataset(*fit, METHOD), dataset(*fit, CONTROL), fold.validation))
    return full, tried


def further_labels(labels: DataFrame, trained_on: Sequence[str], negatives: Negatives) -> list[str]:
    """Return the wrong labels without a training photo: with "seen", all seen ones with a vector.

    Args:
        labels: LABELS.
        trained_on: labels of the training photos.
        negatives: "training": only labels of training photos; "seen": all seen labels.
    """
    if negatives == "training":
        return []
    seen = labels.where(has_vector() & F.col("seen")).select("label").distinct().collect()
    return sorted({row["label"] for row in seen} - set(trained_on))


def _softmax_start(
    moments: ClassMoments,
    known: Vectors,
    layer: SoftmaxLayer,
    config: TrainDevise,
) -> NDArray[np.float32]:
    """Return the linear map that scores labels as the backbone's softmax scores its classes.

    Raises:
        InputError: no class of the softmax is a label with a vector.
    """
    if known.keys().isdisjoint(layer.classes):
        raise InputError(
            "no class of the backbone's softmax is a label with a vector: give "
            'train_devise.start = "random"'
        )
    of_classes = layer.class_vectors(known)
    weights = classifier_weights(layer.kernel, moments.deviation, of_classes, config.start_strength)
    return weights.astype(np.float32)
