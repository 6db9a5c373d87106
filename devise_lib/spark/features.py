"""FEATURES: labelled photos through a network."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config_types import JobConfig
from devise_lib.errors import InputError
from devise_lib.spark.inference import Model, with_vectors
from devise_lib.spark.labelled import has_vector, labelled_photos, with_fold
from devise_lib.spark.tables import Tables

KEEP = ("photo_id", "photo_set", "label", "seen", "split", "fold", "kept")


def photos_with_targets(tables: Tables, config: JobConfig) -> DataFrame:
    """PHOTOS whose label has a vector, with label, seen, split, fold and kept.

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
        partition_by=("backbone_id", "split", "fold", "kept"),
        compression="uncompressed",  # read fast
        maxRecordsPerFile=max_records_per_file,
    )
