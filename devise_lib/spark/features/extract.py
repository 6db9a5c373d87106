"""FEATURES: labelled photos through one network or more."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib import model_store, tracking
from devise_lib.config.backbone import ExtractFeatures
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
    """PHOTOS whose label has a vector, with label, seen, split, fold and is_validation_photo.

    Raises:
        InputError: there is none.
    """
    labels = tables.read("labels")
    photos = labelled_photos(tables.read("photos"), labels, config.test_share, config.seed)
    targets = labels.where(has_vector()).select("label").distinct()
    photos = photos.join(F.broadcast(targets), "label", "left_semi")  # the others can be no target
    if photos.isEmpty():  # before a table is replaced
        raise InputError(
            "no photo has a label of the label sets: check label_pattern and label_sets"
        )
    return with_fold(photos, config.validation_folds, config.seed)


def write_features(
    tables: Tables,
    photos: DataFrame,
    keras_file: bytes,
    backbone_id: str,
    batch_size: int,
    max_records_per_file: int,
    where: str = "",
) -> int:
    """Photos through a network into FEATURES, or into the rows that fulfil `where`.

    Args:
        tables: where they go.
        photos: of `photos_with_targets`.
        keras_file: of the network, from pixels to features.
        backbone_id: its id.
        batch_size: photos a call of the network.
        max_records_per_file: row groups that Petastorm deals to ranks.
    """
    network = tables.spark.sparkContext.broadcast(keras_file)
    features = (
        with_vectors(photos, Model(network, batch_size), KEEP)
        .where("vector IS NOT NULL")  # embed_photos puts the others into QUARANTINE
        .withColumnRenamed("vector", "feature")
        .withColumn("backbone_id", F.lit(backbone_id))
    )
    return tables.overwrite(
        "features",
        features,
        where,
        partition_by=DESCRIPTIONS["features"].partitioned_by,
        compression="uncompressed",  # read fast
        maxRecordsPerFile=max_records_per_file,
    )


def model_to_keep(
    config: ExtractFeatures, labels: DataFrame, backbone_id: str
) -> tuple[tracking.RegisteredModel, str] | None:
    """The model that FEATURES are to hold as well, and its backbone's id.

    There is none to keep in three cases:

    1. The registry has no champion yet.
    2. The model stands on the backbone of that id, whose features are made anyway.
    3. No job can use the model: its files are gone, or LABELS are of other word vectors today.

    Raises:
        InputError: the configuration names another model than the champion, which is not there; or
            the store does not give the model's files now.
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
        print_line(
            f"{config.name}  no features of {model.model_id}: LABELS are of other word vectors"
        )
        return None
    return None if bundle.backbone_id == backbone_id else (model, bundle.backbone_id)


def features_file_of(model: tracking.RegisteredModel) -> bytes:
    """The Keras file of a registered model up to its features."""
    return bytes_of_model(features_of(model_of_bytes(model_store.fetch_keras(model))))


def read_features(tables: Tables, model: tracking.RegisteredModel, backbone_id: str) -> DataFrame:
    """The rows of FEATURES that are of a model's backbone.

    Raises:
        InputError: there is none; says how they are made.
    """
    rows = tables.read("features").where(F.col("backbone_id") == backbone_id)
    if rows.isEmpty():
        raise InputError(
            f"FEATURES have no row of {backbone_id}, which {model.model_id} stands on: run "
            f"extract_features with --set extract_features.model={model.version}"
        )
    return rows
