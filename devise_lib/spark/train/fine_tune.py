"""DeViSE's last phase: trains a registered model and the end of its backbone on photos."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib import model_store, tracking
from devise_lib.config.training import FineTune
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import METHOD, SoftmaxLayer
from devise_lib.numerics.linear import Projection
from devise_lib.numerics.paired import compare_labels
from devise_lib.spark.features.extract import read_features, write_features
from devise_lib.spark.features.folds import Fold, TrainingFeatures, fits, folds_id, make_folds
from devise_lib.spark.features.moments import Vectors, label_vectors
from devise_lib.spark.labels.word_space import require_same_words
from devise_lib.spark.photos.pixel_table import write_pixels
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.datasets import further_labels
from devise_lib.spark.train.horovod_ranks import (
    RanksLogs,
    events_folder,
    require_row_groups,
    run_ranks,
    threads_per_rank,
)
from devise_lib.spark.train.promotion import PromotionDecision, register
from devise_lib.training.augmentation import Augmentation
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection, load_bundle
from devise_lib.training.fine_tuning import (
    FineTuningPlan,
    Tuned,
    TuningFold,
    fine_tune,
)
from devise_lib.training.model import assemble, features_of, identity_of, projection_of
from devise_lib.training.plan import LabelledRows
from devise_lib.vision.networks.backbones import Backbone, backbone_folder, load_backbone
from devise_lib.vision.networks.keras_file import bytes_of_model, model_of_bytes


@dataclass(frozen=True)
class ModelToTune:
    """A registered model, its bundle, and its backbone with the softmax."""

    registered: tracking.RegisteredModel
    bundle: ProjectionBundle
    backbone: Backbone

    @classmethod
    def load(cls, config: FineTune) -> "ModelToTune":
        """Return the model that the configuration names.

        Raises:
            InputError: there is no such model, it was trained on another backbone than that of
                train_backbone, or it has been fine-tuned already.
        """
        registered = tracking.find_registered(config.model_name, config.model)
        bundle = model_store.fetch_extras(registered, load_bundle)
        backbone = load_backbone(backbone_folder(config.work_dir))
        if bundle.base_model:
            raise InputError(
                f"{registered.model_id} was fine-tuned already: name the model that it was made "
                f"from, {bundle.base_model}, by --set fine_tune.model=VERSION (the number after "
                "its v)"
            )
        if bundle.backbone_id != backbone.identity():
            raise InputError(
                f"{registered.model_id} belongs to the backbone {bundle.backbone_id}, but "
                f"train_backbone has made {backbone.identity()}: run extract_features and "
                "train_devise, and name the version that train_devise registers by --set "
                "fine_tune.model=VERSION"
            )
        return cls(registered, bundle, backbone)


def tune_on_ranks(
    config: FineTune, tables: Tables, photos: DataFrame, base: ModelToTune, checkpoints: str
) -> Tuned:
    """Fine-tune the model, for as many epochs as improve it.

    Args:
        config: of the job.
        tables: with LABELS, and FEATURES of the backbone; PIXELS is written.
        photos: of the training split, with label, fold and is_validation_photo.
        base: the model.
        checkpoints: the folder of the states from which a killed training continues.

    Raises:
        InputError: FEATURES has no rows of the backbone, or belongs to other LABELS; there is no
            fold to choose by, or the folds are others.
    """
    training = _read_training(tables, base)
    fold = _fold(config, training, base.bundle)
    size = base.backbone.image_size
    write_pixels(photos, photos.count(), size, config.ranks, tables)
    pixels = tables.read("pixels")
    trained_on, negatives = training.total.labels, base.bundle.negatives
    wrong = further_labels(tables.read("labels"), trained_on, negatives)
    known = [label for label in wrong if label not in fold.validation.held_out]
    of_fold = F.col("fold") == fold.number
    plan = FineTuningPlan(
        fold=TuningFold(
            network=_network(base.backbone, base.bundle.trials(METHOD)[fold.number]),
            rows=_rows(pixels.where(fits(fold.number)), known, training.vectors),
            held_out_urls=pixels.where(of_fold).inputFiles(),
            validation_urls=pixels.where(~of_fold & F.col("is_validation_photo")).inputFiles(),
            tested_labels=validation_labels(fold),
            candidates=fold.validation.candidates,
            photos=config.validation_photos,
            number=fold.number,
        ),
        network=_network(base.backbone, base.bundle.trained[0].projection),
        rows=_rows(pixels, wrong, training.vectors),
        objective=base.bundle.objective,
        augmentation=Augmentation(config.flip, config.translate, config.crop, config.colour),
        layers=config.layers,
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        patience=config.patience,
        batch_size=config.batch_size,
        image_size=size,
        seed=config.seed,
        readers=config.ranks,
        folder=checkpoints,
        checkpoint_steps=config.checkpoint_steps,
        events=events_folder(config),
        threads=threads_per_rank(tables.spark, config.ranks),
    )
    for rows in (plan.rows, plan.fold.rows):
        require_row_groups(list(rows.file_urls), config.ranks, "pixels", "lower fine_tune.ranks")
    where = config.ranks, RanksLogs.of(config), config.hosts
    return run_ranks(tables.spark, fine_tune, plan, *where)[0]


def _read_training(tables: Tables, base: ModelToTune) -> TrainingFeatures:
    bundle, labels = base.bundle, tables.read("labels")
    rows = read_features(tables, base.registered, bundle.backbone_id).where("split = 'train'")
    of_labels = label_vectors(labels), bundle.control_vectors
    training = TrainingFeatures.of(rows, *of_labels, bundle.layer)
    require_same_words(labels, bundle.words_id, "the model")
    return training


def _fold(config: FineTune, training: TrainingFeatures, bundle: ProjectionBundle) -> Fold:
    """Return the fold to choose by, which the model must have been tried on."""
    folds = make_folds(training, config.validation_photos, wanted=1)
    if not folds or folds[0].number not in bundle.trials(METHOD):
        raise InputError(
            "the model was trained without labels held out, but fine-tuning needs them to know "
            "when to stop: give validation_folds and run extract_features and train_devise again"
        )
    if bundle.folds_id != (today := folds_id(config)):
        raise InputError(
            f"the model's labels were divided into folds as {bundle.folds_id!r}, but are now as "
            f"{today!r} (validation_folds, seed): fine-tune with the configuration of its training"
        )
    return folds[0]


def register_tuned(
    config: FineTune,
    tables: Tables,
    photos: DataFrame,
    base: ModelToTune,
    tuned: Tuned,
) -> int:
    """Write the FEATURES of the fine-tuned model, register it, and return the number of rows.

    It becomes the champion if its base is the champion, and if it is clearly better on the labels
    held out. The test is one-sided, at 5 % (`LabelComparison.is_clear`). Each label is scored after
    epochs that other labels chose. The model is registered in any case, and last, because other
    jobs then read its FEATURES.
    """
    model = model_of_bytes(tuned.keras_file)
    network = features_of(model)
    backbone_id = identity_of(network, f"{base.bundle.backbone_id}-tuned")
    base_id = base.registered.model_id
    mine = tuned_bundle(base.bundle, projection_of(model), backbone_id, tuned, base_id)
    found = compare_labels(mine.label_scores, tuned.before)
    if found is None:
        raise RuntimeError("the fold of fine-tuning has no label with validation photos")
    why = f"{found}: {mine.score:.4f}, {base_id} {tuned.scores[0].value:.4f}"
    decision = PromotionDecision(found.is_clear, why)
    where = f"backbone_id = '{backbone_id}'"
    rows = write_features(tables, photos, bytes_of_model(network), backbone_id, config, where)
    champion = tracking.find_champion(config.model_name)
    registered = register(mine, model, config.model_name, tables.version("features"), decision)
    if champion == base.registered and decision.wins:
        tracking.promote(registered)
    return rows


def validation_labels(fold: Fold) -> set[str]:
    """Return the labels of a fold's validation photos."""
    places = np.unique(fold.validation.truth)
    return {fold.validation.candidates.labels[place] for place in places}


def tuned_bundle(
    bundle: ProjectionBundle,
    projection: Projection,
    backbone_id: str,
    tuned: Tuned,
    base_model: str,
) -> ProjectionBundle:
    """Return the bundle of the fine-tuned model: it alone, on features of its own.

    The backbone's softmax is left out, because it was not trained with the model. So is the trial
    of the fold, because it has its own backbone. Its scores and its penalty are stored.
    """
    scores = [value for value in tuned.after[tuned.fold].values() if value is not None]
    nothing = bundle.layer.kernel[:, :0], bundle.layer.bias[:0]
    return replace(
        bundle,
        trained=[TrainedProjection(METHOD, bundle.trained[0].seed, None, projection)],
        layer=SoftmaxLayer(*nothing, []),
        backbone_id=backbone_id,
        score=float(np.mean(scores)),
        label_scores=tuned.after,
        penalty=tuned.best.gamma,
        base_model=base_model,
    )


def _network(backbone: Backbone, projection: Projection) -> bytes:
    return bytes_of_model(assemble(backbone, projection))


def _rows(pixels: DataFrame, wrong: Collection[str], vectors: Vectors) -> LabelledRows:
    counts = {row["label"]: row["count"] for row in pixels.groupBy("label").count().collect()}
    labels = sorted(counts)
    targets = np.stack([vectors[label] for label in [*labels, *wrong]])
    return LabelledRows(pixels.inputFiles(), sum(counts.values()), labels, targets)
