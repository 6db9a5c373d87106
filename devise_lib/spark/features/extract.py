"""Writes FEATURES: labelled photos through one network or two."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib import model_store, tracking
from devise_lib.config.backbone import ExtractFeatures
from devise_lib.config.training import FineTune
from devise_lib.config.types import JobConfig
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.spark.labels.splits import has_vector, labelled_photos, with_fold
from devise_lib.spark.labels.word_space import id_of_labels
from devise_lib.spark.photos.inference import Model, with_vectors
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.descriptions import DESCRIPTIONS
from devise_lib.training.bundle import load_bundle
from devise_lib.training.model import features_of
from devise_lib.vision.networks.keras_file import bytes_of_model, model_of_bytes

KEEP = ("photo_id", "photo_set", "label", "seen", "split", "fold", "is_validation_photo")


def photos_with_targets(tables: Tables, config: JobConfig) -> DataFrame:
    """Return the photos whose label has a vector, with label, seen, split and fold columns.

    Args:
        tables: with PHOTOS and LABELS.
        config: gives test_share, validation_folds and seed.

    Raises:
        InputError: there is no such photo.
    """
    labels = tables.read("labels")
    photos = labelled_photos(tables.read("photos"), labels, config.test_share, config.seed)
    targets = labels.where(has_vector()).select("label").distinct()
    photos = photos.join(F.broadcast(targets), "label", "left_semi")  # targets only
    if photos.isEmpty():  # Checked before a table is replaced.
        raise InputError(
            "no photo has a label of the label sets: check label_pattern and label_sets"
        )
    return with_fold(photos, config.validation_folds, config.seed)


def write_features(
    tables: Tables,
    photos: DataFrame,
    keras_file: bytes,
    backbone_id: str,
    config: ExtractFeatures | FineTune,
    where: str = "",
) -> int:
    """Run photos through a network, write FEATURES, and return the number of rows.

    Args:
        tables: with FEATURES.
        photos: labelled, with split, fold and is_validation_photo.
        keras_file: of the network, from pixels to features.
        backbone_id: id of the network.
        config: gives batch_size, and max_records_per_file, the rows per row group, which Petastorm
            distributes to ranks.
        where: replace only the rows that fulfil this condition; "": the whole table.
    """
    network = tables.spark.sparkContext.broadcast(keras_file)
    features = (
        with_vectors(photos, Model(network, config.batch_size), KEEP)
        .where("vector IS NOT NULL")  # embed_photos puts the others into QUARANTINE.
        .withColumnRenamed("vector", "feature")
        .withColumn("backbone_id", F.lit(backbone_id))
    )
    return tables.overwrite(
        "features",
        features,
        where,
        partition_by=DESCRIPTIONS["features"].partitioned_by,
        compression="uncompressed",  # for fast reading
        maxRecordsPerFile=config.max_records_per_file,
    )


def model_to_keep(
    config: ExtractFeatures, labels: DataFrame, backbone_id: str
) -> tuple[tracking.RegisteredModel, str] | None:
    """Return the model whose features FEATURES also holds, and the id of its backbone.

    There is none in three cases:

    1. The registry has no champion yet.
    2. The model uses the backbone with the given id, whose features are written anyway.
    3. No job can use the model: its files are gone, or LABELS comes from other word vectors now.

    Args:
        config: names the model; by default the champion.
        labels: LABELS.
        backbone_id: of the current backbone.

    Raises:
        InputError: the configuration names a model, not the champion, that does not exist; or the
            model store cannot be read now.
    """
    if config.model == tracking.CHAMPION:
        model = tracking.find_champion(config.model_name)
    else:
        model = tracking.find_registered(config.model_name, config.model)
    if model is None:
        return None
    try:
        bundle = model_store.fetch_extras(model, load_bundle)
    except model_store.UnusableModelError as error:
        print_line(f"{config.name}  no features of {model.model_id}: {error}")
        return None
    if bundle.words_id != id_of_labels(labels):
        print_line(f"{config.name}  no features of {model.model_id}: LABELS has other word vectors")
        return None
    return None if bundle.backbone_id == backbone_id else (model, bundle.backbone_id)


def features_file_of(model: tracking.RegisteredModel) -> bytes:
    """Return the part of a registered model up to its features, as a Keras file."""
    return bytes_of_model(features_of(model_of_bytes(model_store.fetch_keras(model))))


def read_features(tables: Tables, model: tracking.RegisteredModel, backbone_id: str) -> DataFrame:
    """Return the rows of FEATURES that belong to a model's backbone.

    Raises:
        InputError: there is none; the message says which job makes them.
    """
    rows = tables.read("features").where(F.col("backbone_id") == backbone_id)
    if rows.isEmpty():
        raise InputError(
            f"FEATURES has no row of {backbone_id}, the backbone of {model.model_id}: run "
            f"extract_features with --set extract_features.model={model.version}"
        )
    return rows
