"""Trains the projection and its control on FEATURES, on Horovod's ranks: DeViSE's second phase."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config.training import TrainDevise
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import CONTROL, METHOD, SoftmaxLayer
from devise_lib.spark.features.folds import (
    Fold,
    TrainingFeatures,
    folds_id,
    label_scores,
    make_folds,
)
from devise_lib.spark.features.moments import label_vectors
from devise_lib.spark.labels.word_space import id_of_labels
from devise_lib.spark.platform.resources import GIB
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.datasets import make_datasets
from devise_lib.spark.train.horovod_ranks import (
    RanksLogs,
    checkpoint_folder,
    events_folder,
    require_row_groups,
    run_ranks,
    threads_per_rank,
)
from devise_lib.spark.train.tracked_photos import TrackedPhotos, tracked_photos
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from devise_lib.training.plan import DatasetSpec, Outcome, ProjectionPlan, TrainingSpec
from devise_lib.training.projection import train_projections
from devise_lib.training.settings import Objective, Settings
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
    checkpoints: str
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
    layer, identity = softmax_of(backbone, config), backbone.identity()
    labels, features = tables.read("labels"), tables.read("features", version)
    training = _read_training(labels, features, layer, identity)
    folds = make_folds(training, config.validation_photos, config.folds)
    settings = _settings(config, bool(folds))
    words_id, tracked = id_of_labels(labels), tracked_photos(features, identity)
    full, tried = make_datasets(training, folds, labels, config)
    plan = ProjectionPlan(
        settings=settings,
        folds=tried,
        trainings=[
            TrainingSpec(method, f"{method}-{seed}", dataset, seed)
            for method, dataset in full.items()
            for seed in range(config.seed, config.seed + config.seeds)
        ],
        seed=config.seed,
        patience=config.patience,
        readers=_readers([full[METHOD], *(fold.dataset for fold in tried)], config),
        cache_bytes=int(config.cache_gib * GIB),
        folder=checkpoint_folder(config, version, words_id, identity),
        checkpoint_steps=config.checkpoint_steps,
        threads=threads_per_rank(spark, config.ranks),
        events=events_folder(config),
        tracked=tracked.features if tracked else None,
    )
    where = config.ranks, RanksLogs.of(config), config.hosts
    outcome = run_ranks(spark, train_projections, plan, *where)[0]
    bundle = ProjectionBundle(
        _trained(outcome, plan, [fold.number for fold in folds]),
        training.control,
        layer,
        identity,
        words_id,
        folds_id(config) if folds else "",
        outcome.score.value if outcome.score else None,
        outcome.settings.objective,
        config.negatives,
        label_scores=label_scores(folds, outcome.score) if outcome.score else {},
    )
    return DeviseTraining(outcome, bundle, folds, training.total.rows, plan.folder, tracked)


def _read_training(
    labels: DataFrame, features: DataFrame, layer: SoftmaxLayer, backbone_id: str
) -> TrainingFeatures:
    of_backbone = features.where(F.col("backbone_id") == backbone_id)
    if of_backbone.where("split = 'train'").isEmpty():
        raise InputError(
            f"FEATURES has no rows of the backbone {backbone_id}, which has been trained "
            "since: run extract_features again"
        )
    vectors, control = label_vectors(labels), label_vectors(labels, "random_vector")
    return TrainingFeatures.of(of_backbone, vectors, control, layer)


def _settings(config: TrainDevise, has_folds: bool) -> list[Settings]:
    settings = settings_to_try(config)
    if not has_folds and len(settings) > 1:
        raise InputError(
            f"train_devise has {len(settings)} settings to choose from, but FEATURES has no "
            "photos to choose by: give validation_folds and run extract_features again, or give "
            "one start, l2_sp, margin, dropout and learning_rate"
        )
    return settings


def _readers(datasets: Sequence[DatasetSpec], config: TrainDevise) -> int:
    """Return the number of readers, for which the smallest data set must have files enough."""
    fewest = min((list(dataset.file_urls) for dataset in datasets), key=len)
    readers = readers_of(config, len(fewest))
    remedy = "lower extract_features.max_records_per_file, or train_devise.readers and ranks"
    require_row_groups(fewest, readers, "features", remedy)
    return readers


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
