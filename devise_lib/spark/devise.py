"""The projection, trained on FEATURES by Horovod's ranks, with its control."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config import TrainDevise
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import SoftmaxLayer
from devise_lib.numerics.closed_form import classifier_weights
from devise_lib.numerics.moments import ClassMoments
from devise_lib.spark.feature_rows import (
    Vectors,
    feature_moments,
    label_vectors,
    read_validation,
    total_moments,
    training_labels,
)
from devise_lib.spark.labelled import FIT, has_vector
from devise_lib.spark.ranks import require_row_groups, run_ranks
from devise_lib.spark.tables import Tables
from devise_lib.spark.word_space import id_of_labels
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from devise_lib.training.projection import Outcome, ProjectionPlan, Rows, Run, train_projections
from devise_lib.training.settings import Objective, Settings
from devise_lib.vision.backbones import Backbone

METHOD, CONTROL = "devise", "random_embeddings"


@dataclass(frozen=True)
class DeviseTraining:
    """What training gives.

    Attributes:
        outcome: of the ranks.
        bundle: what evaluation needs of it.
        rows: features trained on.
        checkpoints: the folder that is no longer wanted once the model is registered.
    """

    outcome: Outcome
    bundle: ProjectionBundle
    rows: int
    checkpoints: Path


def settings_to_try(config: TrainDevise) -> list[Settings]:
    """Every combination of the configuration's values."""
    return [
        Settings(
            Objective(config.loss, margin, config.violators, config.normalize),
            hidden=config.hidden,
            dropout=dropout,
            optimizer=config.optimizer,
            schedule=config.schedule,
            learning_rate=rate,
            start=start,
            epochs=config.epochs,
            batch_size=config.batch_size,
        )
        for start, margin, dropout, rate in product(
            config.start, config.margin, config.dropout, config.learning_rate
        )
    ]


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
    rows = tables.read("features", version).where("split = 'train'")
    if rows.where(F.col("backbone_id") != backbone.identity()).limit(1).count():
        raise InputError(
            f"FEATURES are not of the backbone {backbone.identity()}: it was trained anew since; "
            "run extract_features again"
        )
    vectors = {METHOD: label_vectors(labels), CONTROL: label_vectors(labels, "random_vector")}
    trained_on = training_labels(rows, vectors[METHOD])
    by_fold = feature_moments(rows)
    validation = read_validation(rows, vectors[METHOD], vectors[CONTROL], config.validation_photos)
    settings = settings_to_try(config)
    if validation is None and len(settings) > 1:
        raise InputError(
            f"train_devise has {len(settings)} settings to choose from, but FEATURES have no "
            "photos to choose by: give validation_share and run extract_features again, or give "
            "one start, margin, dropout and learning_rate"
        )
    every = _Part(rows, total_moments(by_fold), set())
    wrong = _further_labels(labels, trained_on) if config.negatives == "seen" else []
    trials: list[Run] = []
    control_trial = None
    if validation is not None:
        fit = _Part(rows.where(F.col("fold") == FIT), by_fold[FIT], validation.held_out)
        of_method, of_control = (_rows(fit, wrong, vectors[m], layer, config) for m in vectors)
        trials = [
            Run(METHOD, f"trial {n}", of_method, tried, config.seed)
            for n, tried in enumerate(settings)
        ]
        control_trial = Run(CONTROL, "control trial", of_control, settings[0], config.seed)
    full = {method: _rows(every, wrong, vectors[method], layer, config) for method in vectors}
    seeds = range(config.seed, config.seed + config.seeds)
    runs = [Run(m, f"{m}-{seed}", full[m], settings[0], seed) for m in vectors for seed in seeds]
    for part in {id(run.rows): run.rows for run in [*trials, *runs]}.values():
        require_row_groups(
            list(part.file_urls),
            config.readers or config.ranks,
            "features",
            "lower extract_features.max_records_per_file, or train_devise.readers and ranks",
        )
    words_id = id_of_labels(labels)
    plan = ProjectionPlan(
        trials=trials,
        control_trial=control_trial,
        validation=validation,
        runs=runs,
        patience=config.patience,
        readers=config.readers or config.ranks,
        folder=str(checkpoint_folder(config, version, words_id, backbone.identity())),
        checkpoint_steps=config.checkpoint_steps,
        threads=max(1, spark.sparkContext.defaultParallelism // config.ranks),
    )
    log_path = Path(config.work_dir) / "logs" / "train_devise.log"
    outcome = run_ranks(spark, train_projections, plan, config.ranks, log_path)[0]
    bundle = ProjectionBundle(
        _trained(outcome, plan), vectors[CONTROL], layer, backbone.identity(), words_id
    )
    return DeviseTraining(outcome, bundle, every.moments.rows, Path(plan.folder))


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


def _trained(outcome: Outcome, plan: ProjectionPlan) -> list[TrainedProjection]:
    """Every projection that evaluation looks at; the first is the model's own."""
    found = [
        TrainedProjection(run.method, run.seed, False, outcome.trained[run.name].projection)
        for run in plan.runs
    ]
    trials = ((METHOD, outcome.best_trial), (CONTROL, outcome.control_trial))
    return found + [
        TrainedProjection(method, plan.runs[0].seed, True, trial.projection)
        for method, trial in trials
        if trial is not None
    ]


def checkpoint_folder(config: TrainDevise, version: int, words_id: str, backbone_id: str) -> Path:
    """Where a training that was killed is gone on with: only by one of the same inputs."""
    inputs = [config.model_dump(mode="json"), version, words_id, backbone_id]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    return Path(config.work_dir).absolute() / "checkpoints" / config.name / digest


@dataclass(frozen=True)
class _Part:
    """Training rows, their sums, and the labels that nothing of theirs may know."""

    rows: DataFrame
    moments: ClassMoments
    held_out: set[str]


def _further_labels(labels: DataFrame, trained_on: Sequence[str]) -> list[str]:
    """Seen labels with a vector that no training photo has."""
    seen = labels.where(has_vector() & F.col("seen")).select("label").distinct().collect()
    return sorted({row["label"] for row in seen} - set(trained_on))


def _rows(
    part: _Part, wrong: Sequence[str], vectors: Vectors, layer: SoftmaxLayer, config: TrainDevise
) -> Rows:
    labels = list(part.moments.labels)
    targets = [*labels, *(label for label in wrong if label not in part.held_out)]
    return Rows(
        part.rows.inputFiles(),  # of that version, and of these partitions alone
        part.moments.rows,
        labels,
        np.stack([vectors[label] for label in targets]),
        _as_softmax(part, vectors, layer, config) if "softmax" in config.start else None,
        part.moments.mean,
        part.moments.deviation,
    )


def _as_softmax(
    part: _Part, vectors: Vectors, layer: SoftmaxLayer, config: TrainDevise
) -> NDArray[np.float32]:
    """The linear map that sees labels as the backbone's softmax sees its classes."""
    known = {label: v for label, v in vectors.items() if label not in part.held_out}
    if known.keys().isdisjoint(layer.classes):
        raise InputError(
            "no class of the backbone's softmax is a label with a vector: give "
            'train_devise.start = "random"'
        )
    of_classes = layer.class_vectors(known)
    weights = classifier_weights(
        layer.kernel, part.moments.deviation, of_classes, config.start_strength
    )
    return weights.astype(np.float32)
