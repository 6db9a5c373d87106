"""Labelled photos through the backbone: what the projection is trained on.

in   PHOTOS, LABELS, checkpoints/train_backbone/
out  FEATURES   uncompressed and in files of bounded length, as Petastorm reads them fast

    python jobs/extract_features.py --config conf/local.toml
"""

from devise_lib.command_line import check_command_line
from devise_lib.config_backbone import ExtractFeatures

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(ExtractFeatures)

from pathlib import Path

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.entry import run_job
from devise_lib.spark.features import photos_with_targets, write_features
from devise_lib.spark.labelled import count_of_no_set
from devise_lib.spark.tables import Tables
from devise_lib.vision.backbones import features_file, load_backbone


def run(spark: SparkSession, config: ExtractFeatures) -> dict[str, int]:
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    backbone = load_backbone(Path(config.work_dir) / "checkpoints" / "train_backbone")
    rows = write_features(
        tables,
        photos_with_targets(tables, config),
        features_file(backbone),
        backbone.identity(),
        config.batch_size,
        config.max_records_per_file,
    )
    strange = count_of_no_set(tables.read("photos"), tables.read("labels"))
    return {"features": rows, **({"photos of no label set": strange} if strange else {})}


if __name__ == "__main__":
    run_job(run, ExtractFeatures)
