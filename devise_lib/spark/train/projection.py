"""Trains the projection and its control on FEATURES, on Horovod's ranks: DeViSE's second phase."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config.training import TrainDevise
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import CONTROL, METHOD, SoftmaxLayer
from devise_lib.numerics.closed_form import classifier_weights
from devise_lib.numerics.moments import ClassMoments
from devise_lib.spark.features.folds import Fold, folds_id, label_scores, make_folds
from devise_lib.spark.features.moments import (
    Vectors,
    feature_labels,
    feature_moments,
    label_vectors,
    total_moments,
)
from devise_lib.spark.labels.splits import has_vector
from devise_lib.spark.labels.word_space import id_of_labels
from devise_lib.spark.platform.resources import GIB
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.horovod_ranks import (
    checkpoint_folder,
    events_folder,
    ranks_log,
    require_row_groups,
    run_ranks,
    threads_per_rank,
)
from devise_lib.spark.train.tracked_photos import TrackedPhotos, tracked_photos
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from devise_lib.training.plan import DatasetSpec, FoldSpec, Outcome, ProjectionPlan, TrainingSpec
from devise_lib.training.projection import train_projections
from devise_lib.training.settings import Negatives, Objective, Settings
from devise_lib.vision.networks.backbones import Backbone


@dataclass(frozen=True)
class DeviseTraining:
    """The result of a training.

    Attributes:
        outcome: of the ranks.
        bundle: what evaluation and promotion need.
        folds: on which the settings were chosen.
        rows: number of features trained on.
        checkpoints: a folder that can be deleted once the model is registered.
        tracked: the photos of the outcome's snapshots; None if there are none.
    """

    outcome: Outcome
    bundle: ProjectionBundle
    folds: Sequence[Fold]
    rows: int
    checkpoints: Path
    tracked: TrackedPhotos | None


def settings_to_try(config: TrainDevise) -> list[Settings]:
    """Return every combination of the configuration's values.

    L2-SP applies only to a start from the softmax.
    """
    tried = [
        Settings(
            _objective(config, margin),
            hidden=config.hidden,
            dropout=dropout,
            optimizer=config.optimizer,
            schedule=config.schedule,
            learning_rate=rate,
            start=start,
            l2_sp=l2_sp if start == "softmax" else 0.0,
            epochs=config.epochs,
            batch_size=config.batch_size,
        )
        for start, l2_sp, margin, dropout, rate in product(
            config.start, config.l2_sp, config.margin, config.dropout, config.learning_rate
        )
    ]
    return list(dict.fromkeys(tried))


def _objective(config: TrainDevise, margin: float) -> Objective:
    if config.loss == "cosine":  # It has no wrong labels, so all margins are the same setting.
        return Objective("cosine")
    return Objective(config.loss, margin, config.negative_mining, config.normalize)


def train_on_ranks(
    spark: SparkSession, config: TrainDevise, tables: Tables, version: int, backbone: Backbone
) -> DeviseTraining:
    """Choose the settings, and train the projection and its control on the training FEATURES.

    Args:
        spark: the session that the ranks run in.
        config: of the job.
        tables: with FEATURES and LABELS.
        version: of FEATURES.
        backbone: the network that the projection is for.

    Raises:
        InputError: FEATURES belongs to another network or other LABELS, or does not suffice to
            choose settings or for all readers. Or the softmax cannot be the start, or Spark has too
            few slots.
    """
    layer = softmax_of(backbone, config)
    labels = tables.read("labels")
    features = tables.read("features", version)
    of_backbone = features.where(F.col("backbone_id") == backbone.identity())
    rows = of_backbone.where("split = 'train'")
    if rows.isEmpty():
        raise InputError(
            f"FEATURES has no rows of the backbone {backbone.identity()}, which has been trained "
            "since: run extract_features again"
        )
    vectors = {METHOD: label_vectors(labels), CONTROL: label_vectors(labels, "random_vector")}
    feature_labels(of_backbone, vectors[METHOD])  # Test photos are tracked.
    moments = feature_moments(rows)
    of_labels = vectors[METHOD], vectors[CONTROL], layer
    folds = make_folds(rows, moments, *of_labels, config.validation_photos, config.folds)
    settings = settings_to_try(config)
    if not folds and len(settings) > 1:
        raise InputError(
            f"train_devise has {len(settings)} settings to choose from, but FEATURES has no "
            "photos to choose by: give validation_folds and run extract_features again, or give "
            "one start, l2_sp, margin, dropout and learning_rate"
        )
    every = total_moments(moments.values())
    wrong = further_labels(labels, every.labels, config.negatives)

    def reads(
        rows: DataFrame, sums: ClassMoments, held_out: Collection[str], method: str
    ) -> DatasetSpec:
        return _rows(rows, sums, held_out, wrong, vectors[method], layer, config)

    full = {method: reads(rows, every, (), method) for method in vectors}
    tried = []
    for fold in folds:
        fit = fold.rows, fold.moments, fold.validation.held_out
        tried.append(FoldSpec(reads(*fit, METHOD), reads(*fit, CONTROL), fold.validation))
    tracked = tracked_photos(features, backbone.identity())
    seeds = range(config.seed, config.seed + config.seeds)
    trainings = [TrainingSpec(m, f"{m}-{seed}", full[m], seed) for m in vectors for seed in seeds]
    parts = [full[METHOD], *(fold.dataset for fold in tried)]
    fewest = min((list(part.file_urls) for part in parts), key=len)
    readers = readers_of(config, len(fewest))
    require_row_groups(
        fewest,
        readers,
        "features",
        "lower extract_features.max_records_per_file, or train_devise.readers and ranks",
    )
    words_id = id_of_labels(labels)
    plan = ProjectionPlan(
        settings=settings,
        folds=tried,
        trainings=trainings,
        seed=config.seed,
        patience=config.patience,
        readers=readers,
        cache_bytes=int(config.cache_gib * GIB),
        folder=str(checkpoint_folder(config, version, words_id, backbone.identity())),
        checkpoint_steps=config.checkpoint_steps,
        threads=threads_per_rank(spark, config.ranks),
        events=events_folder(config),
        tracked=tracked.features if tracked else None,
    )
    where = config.ranks, ranks_log(config), config.hosts
    outcome = run_ranks(spark, train_projections, plan, *where)[0]
    trained = _trained(outcome, plan, [fold.number for fold in folds])
    bundle = ProjectionBundle(
        trained,
        vectors[CONTROL],
        layer,
        backbone.identity(),
        words_id,
        folds_id(config) if folds else "",
        outcome.score.value if outcome.score else None,
        outcome.settings.objective,
        config.negatives,
        label_scores=label_scores(folds, outcome.score) if outcome.score else {},
    )
    return DeviseTraining(outcome, bundle, folds, every.rows, Path(plan.folder), tracked)


def readers_of(config: TrainDevise, files: int) -> int:
    """Return the number of readers of all ranks: as configured, else two per rank if files suffice.

    The second reader reads while the rows of the first are mixed.

    Args:
        config: of the job.
        files: number of files to read.
    """
    two = 2 * config.ranks
    if config.readers:
        return config.readers
    return two if files >= two and config.batch_size % two == 0 else config.ranks


def softmax_of(backbone: Backbone, config: TrainDevise) -> SoftmaxLayer:
    """Return the backbone's softmax on its features; without classes if it is not linear in them.

    Raises:
        InputError: training is to start from the softmax, and it is not linear.
    """
    layer = backbone.classifier()
    if "softmax" in config.start and not layer.classes:
        raise InputError(
            f"the backbone's softmax is not linear in its features ({backbone.feature_layer!r}), "
            'so training cannot start from it: give train_devise.start = "random"'
        )
    return layer


def _trained(
    outcome: Outcome, plan: ProjectionPlan, folds: Sequence[int]
) -> list[TrainedProjection]:
    """Return every projection that evaluation uses; the first is the model's own."""
    found = [
        TrainedProjection(each.method, each.seed, None, outcome.trained[each.name].projection)
        for each in plan.trainings
    ]
    for method, trials in ((METHOD, outcome.chosen_folds), (CONTROL, outcome.control_folds)):
        for fold, trial in zip(folds, trials, strict=True):
            found.append(TrainedProjection(method, plan.seed, fold, trial.projection))
    return found


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


def _rows(
    rows: DataFrame,
    moments: ClassMoments,
    held_out: Collection[str],
    wrong: Sequence[str],
    vectors: Vectors,
    layer: SoftmaxLayer,
    config: TrainDevise,
) -> DatasetSpec:
    """Return what a training on these FEATURES reads, without the labels held out."""
    labels = list(moments.labels)
    known = {label: vector for label, vector in vectors.items() if label not in held_out}
    targets = [*labels, *(label for label in wrong if label in known)]
    return DatasetSpec(
        rows.inputFiles(),  # of this version and these partitions only
        moments.rows,
        labels,
        np.stack([vectors[label] for label in targets]),
        _softmax_start(moments, known, layer, config) if "softmax" in config.start else None,
        moments.mean,
        moments.deviation,
    )


def _softmax_start(
    moments: ClassMoments, known: Vectors, layer: SoftmaxLayer, config: TrainDevise
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
