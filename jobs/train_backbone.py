"""Trains a softmax CNN, DeViSE's first phase; with `weights` and `classes` it is only imported.

in   PHOTOS, LABELS   photos of seen labels that are not for testing
out  checkpoints/train_backbone/   the network, its classes and its input size
     logs/tensorboard/train_backbone/   its loss curve, during training

    python jobs/train_backbone.py --config conf/local.toml
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.backbone import TrainBackbone

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(TrainBackbone)


from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.backbone import fit_softmax
from devise_lib.spark.train.horovod_ranks import checkpoint_folder
from devise_lib.storage.stores import clean_up
from devise_lib.vision.networks.backbones import Backbone, backbone_folder, read_classes
from devise_lib.vision.networks.build import read_network


def run(spark: SparkSession, config: TrainBackbone) -> dict[str, int]:
    """Train the backbone, or import a trained one, and save it.

    Returns:
        Training photos (0 for an imported network) and classes.
    """
    checkpoints = ""
    if config.classes:
        classes, size = read_classes(config.classes), config.input_size
        model = read_network(config.backbone, config.weights, len(classes), size)
        backbone = Backbone(config.backbone, model, classes, size, config.feature_layer)
        photos = 0
    else:
        tables = Tables.of(spark, config, run_id=tracking.current_run_id())
        checkpoints = checkpoint_folder(config, *map(tables.version, ("photos", "labels")))
        backbone, photos = fit_softmax(spark, config, tables, checkpoints)
    backbone.save(backbone_folder(config.work_dir))
    if checkpoints:  # Only now, because a run that is killed before saving continues from there.
        clean_up(checkpoints)
    tracking.log_params(
        {"classes_count": len(backbone.classes), "backbone_id": backbone.identity()}
    )
    return {"photos": photos, "classes": len(backbone.classes)}


if __name__ == "__main__":
    run_job(run, TrainBackbone)
