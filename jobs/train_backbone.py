"""A softmax CNN: DeViSE's first phase. With `weights` given, that network is taken as it is.

in   PHOTOS, LABELS   photos of seen labels that are not kept for testing
out  checkpoints/train_backbone/   the network, its classes and its input size

    python jobs/train_backbone.py --config conf/local.toml
"""

from pathlib import Path

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config import TrainBackbone
from devise_lib.spark.entry import run_job
from devise_lib.spark.softmax import fit_small_cnn
from devise_lib.spark.tables import Tables
from devise_lib.vision.backbones import Backbone, mobilenet, read_classes


def run(spark: SparkSession, config: TrainBackbone) -> dict[str, int]:
    folder = Path(config.work_dir) / "checkpoints" / config.name
    if config.weights:
        model = mobilenet(Path(config.weights), config.image_size)
        classes = read_classes(Path(config.classes))
        backbone, photos = Backbone(config.backbone, model, classes, config.image_size), 0
    else:
        tables = Tables.of(spark, config, run_id=tracking.current_run_id())
        backbone, photos = fit_small_cnn(spark, config, tables)
    backbone.save(folder)
    tracking.log_params(
        {"classes_count": len(backbone.classes), "backbone_id": backbone.identity()}
    )
    return {"photos": photos, "classes": len(backbone.classes)}


if __name__ == "__main__":
    run_job(run, TrainBackbone)
