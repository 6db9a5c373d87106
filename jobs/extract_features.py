"""Labelled photos through the backbone: what the projection is trained on.

in   PHOTOS, LABELS, checkpoints/train_backbone/
out  FEATURES   uncompressed and in files of bounded length, as Petastorm reads them fast

    python jobs/extract_features.py --config conf/local.toml
"""

from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.config import ExtractFeatures
from devise_lib.errors import InputError
from devise_lib.spark.entry import run_job
from devise_lib.spark.inference import with_vectors
from devise_lib.spark.labelled import count_of_no_set, has_vector, labelled_photos, with_fold
from devise_lib.spark.tables import Tables
from devise_lib.vision.backbones import features_file, load_backbone

KEEP = ("photo_id", "photo_set", "label", "seen", "split", "fold")


def run(spark: SparkSession, config: ExtractFeatures) -> dict[str, int]:
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    backbone = load_backbone(Path(config.work_dir) / "checkpoints" / "train_backbone")
    labels = tables.read("labels")
    photos = labelled_photos(tables.read("photos"), labels, config.test_share, config.seed)
    targets = labels.where(has_vector()).select("label").distinct()
    photos = photos.join(F.broadcast(targets), "label", "left_semi")  # the others can be no target
    if photos.isEmpty():  # before a table is replaced
        raise InputError(
            "no photo has a label of the label sets: check label_pattern and label_sets"
        )
    photos = with_fold(photos, config.validation_share, config.seed)
    network = spark.sparkContext.broadcast(features_file(backbone))
    features = (
        with_vectors(photos, network, KEEP, config.batch_size)
        .where("vector IS NOT NULL")  # embed_photos puts the others into QUARANTINE
        .withColumnRenamed("vector", "feature")
        .withColumn("backbone_id", F.lit(backbone.identity()))
    )
    rows = tables.overwrite(
        "features",
        features,
        partition_by=("split", "fold"),
        compression="uncompressed",
        maxRecordsPerFile=config.max_records_per_file,
    )
    strange = count_of_no_set(tables.read("photos"), labels)
    return {"features": rows, **({"photos of no label set": strange} if strange else {})}


if __name__ == "__main__":
    run_job(run, ExtractFeatures)
