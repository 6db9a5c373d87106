"""Runs labelled photos through the backbone: the features that the projection is trained on.

in   PHOTOS, LABELS, checkpoints/train_backbone/, the champion if there is one
out  FEATURES   of the backbone, and of the champion's backbone if that is another one;
                uncompressed and in files of bounded length, which Petastorm reads fast

    python jobs/extract_features.py --config conf/local.toml
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.backbone import ExtractFeatures

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(ExtractFeatures)


from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.features.extract import (
    features_file_of,
    model_to_keep,
    photos_with_targets,
    write_features,
)
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.labels.splits import count_without_label_set
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.vision.networks.backbones import backbone_folder, features_file, load_backbone


def run(spark: SparkSession, config: ExtractFeatures) -> dict[str, int]:
    """Write FEATURES of the current backbone and of the champion's.

    Returns:
        Features by network and, unless 0, photos without features and photos of no label set.
    """
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    backbone = load_backbone(backbone_folder(config.work_dir))
    own_id, labels = backbone.identity(), tables.read("labels")
    photos = photos_with_targets(tables, config)
    kept = model_to_keep(config, labels, own_id)
    others = f"backbone_id <> '{kept[1]}'" if kept else ""
    counts = {
        "features": write_features(tables, photos, features_file(backbone), own_id, config, others)
    }
    if kept:
        model, its_id = kept
        network, where = features_file_of(model), f"backbone_id = '{its_id}'"
        rows = write_features(tables, photos, network, its_id, config, where)
        counts[f"features of {model.model_id}"] = rows
    if without := photos.count() - counts["features"]:
        counts["photos without features"] = without
    if strange := count_without_label_set(tables.read("photos"), labels):
        counts["photos of no label set"] = strange
    return counts


if __name__ == "__main__":
    run_job(run, ExtractFeatures)
