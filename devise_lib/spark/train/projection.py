"""The projection, trained on FEATURES by Horovod's ranks, with its control."""

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
from devise_lib.spark.train.tracked_photos import FollowedPhotos, followed_photos
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from devise_lib.training.plan import DatasetSpec, FoldSpec, Outcome, ProjectionPlan, TrainingSpec
from devise_lib.training.projection import train_projections
from devise_lib.training.settings import Negatives, Objective, Settings
from devise_lib.vision.networks.backbones import Backbone


@dataclass(frozen=True)
class DeviseTraining:
    """What training gives.

    Attributes:
        outcome: of the ranks.
        bundle: what evaluation needs of it.
        folds: what its settings were chosen on.
        rows: features trained on.
        checkpoints: the folder that is no longer wanted once the model is registered.
        followed: the photos that the outcome's snapshots are of; None where there are none.
    """

    outcome: Outcome
    bundle: ProjectionBundle
    folds: Sequence[Fold]
    rows: int
    checkpoints: Path
    followed: FollowedPhotos | None


def settings_to_try(config: TrainDevise) -> list[Settings]:
    """Every combination of the configuration's values; the pull is to the softmax's start alone."""
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
    if config.loss == "cosine":  # without wrong labels, so all margins are one setting
        return Objective("cosine")
    return Objective(config.loss, margin, config.negative_mining, config.normalize)


def train_on_ranks(
    spark: SparkSession, config: TrainDevise, tables: Tables, version: int, backbone: Backbone
) -> DeviseTraining:
    """Choose the settings, and train the projection and its control on the training FEATURES.

    Args:
        version: of FEATURES.
        backbone: the network that the projection will stand on.

    Raises:
        InputError: FEATURES are of another network or of other LABELS, there are several settings
            and no photos to choose by, there is no softmax to start from, or there are too few
            files or slots.
    """
    layer = softmax_of(backbone, config)
    labels = tables.read("labels")
    features = tables.read("features", version)
    of_backbone = features.where(F.col("backbone_id") == backbone.identity())
    rows = of_backbone.where("split = 'train'")
    if rows.isEmpty():
        raise InputError(
            f"FEATURES are not of the backbone {backbone.identity()}: it was trained anew since; "
            "run extract_features again"
        )
    vectors = {METHOD: label_vectors(labels), CONTROL: label_vectors(labels, "random_vector")}
    feature_labels(of_backbone, vectors[METHOD])  # those of test photos are followed
    moments = feature_moments(rows)
    of_labels = vectors[METHOD], vectors[CONTROL], layer
    folds = make_folds(rows, moments, *of_labels, config.validation_photos, config.folds)
    settings = settings_to_try(config)
    if not folds and len(settings) > 1:
        raise InputError(
            f"train_devise has {len(settings)} settings to choose from, but FEATURES have no "
            "photos to choose by: give validation_folds and run extract_features again, or give "
            "one start, pull, margin, dropout and learning_rate"
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
    followed = followed_photos(features, backbone.identity())
    seeds = range(config.seed, config.seed + config.seeds)
    runs = [TrainingSpec(m, f"{m}-{seed}", full[m], seed) for m in vectors for seed in seeds]
    parts = [full[METHOD], *(fold.rows for fold in tried)]
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
        runs=runs,
        seed=config.seed,
        patience=config.patience,
        readers=readers,
        cache_bytes=int(config.cache_gib * GIB),
        folder=str(checkpoint_folder(config, version, words_id, backbone.identity())),
        checkpoint_steps=config.checkpoint_steps,
        threads=threads_per_rank(spark, config.ranks),
        events=events_folder(config),
        followed=followed.features if followed else None,
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
    return DeviseTraining(outcome, bundle, folds, every.rows, Path(plan.folder), followed)


def readers_of(config: TrainDevise, files: int) -> int:
    """As many as the configuration says, or two a rank where there are files for them.

    The second reads while the first one's rows are mixed.
    """
    two = 2 * config.ranks
    if config.readers:
        return config.readers
    return two if files >= two and config.batch_size % two == 0 else config.ranks


def softmax_of(backbone: Backbone, config: TrainDevise) -> SoftmaxLayer:
    """The backbone's softmax on its features; of no class where it is not linear in them.

    Raises:
        InputError: the configuration starts from it, and it is not.
    """
    layer = backbone.classifier()
    if "softmax" in config.start and not layer.classes:
        raise InputError(
            f"the backbone's softmax is not linear in its features ({backbone.feature_layer!r}), "
            'so nothing can start from it: give train_devise.start = "random"'
        )
    return layer


def _trained(
    outcome: Outcome, plan: ProjectionPlan, folds: Sequence[int]
) -> list[TrainedProjection]:
    """Every projection that evaluation looks at; the first is the model's own."""
    found = [
        TrainedProjection(run.method, run.seed, None, outcome.trained[run.name].projection)
        for run in plan.runs
    ]
    for method, trials in ((METHOD, outcome.chosen_folds), (CONTROL, outcome.control_folds)):
        for fold, trial in zip(folds, trials, strict=True):
            found.append(TrainedProjection(method, plan.seed, fold, trial.projection))
    return found


def further_labels(labels: DataFrame, trained_on: Sequence[str], negatives: Negatives) -> list[str]:
    """The wrong labels that no training photo has: with "seen" every seen one with a vector."""
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
    """What a training on these FEATURES reads; nothing in it knows the labels held out."""
    labels = list(moments.labels)
    known = {label: vector for label, vector in vectors.items() if label not in held_out}
    targets = [*labels, *(label for label in wrong if label in known)]
    return DatasetSpec(
        rows.inputFiles(),  # of that version, and of these partitions alone
        moments.rows,
        labels,
        np.stack([vectors[label] for label in targets]),
        _as_softmax(moments, known, layer, config) if "softmax" in config.start else None,
        moments.mean,
        moments.deviation,
    )


def _as_softmax(
    moments: ClassMoments, known: Vectors, layer: SoftmaxLayer, config: TrainDevise
) -> NDArray[np.float32]:
    """The linear map that sees labels as the backbone's softmax sees its classes."""
    if known.keys().isdisjoint(layer.classes):
        raise InputError(
            "no class of the backbone's softmax is a label with a vector: give "
            'train_devise.start = "random"'
        )
    of_classes = layer.class_vectors(known)
    weights = classifier_weights(layer.kernel, moments.deviation, of_classes, config.start_strength)
    return weights.astype(np.float32)
