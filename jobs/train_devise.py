"""The projection into the space of words: DeViSE's second phase, with its control.

in   FEATURES, LABELS, checkpoints/train_backbone/
out  the model in MLflow's registry, from pixels to unit embeddings, alias champion

    python jobs/train_devise.py --config conf/local.toml
"""

from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config import TrainDevise
from devise_lib.spark.devise import train_on_ranks
from devise_lib.spark.entry import run_job
from devise_lib.spark.tables import Tables
from devise_lib.training.bundle import ProjectionBundle
from devise_lib.training.model import assemble, requirements
from devise_lib.vision.backbones import load_backbone


def run(spark: SparkSession, config: TrainDevise) -> dict[str, int]:
    tables = Tables.of(spark, config)
    backbone = load_backbone(Path(config.work_dir) / "checkpoints" / "train_backbone")
    version = tables.version("features")
    training = train_on_ranks(spark, config, tables, version, backbone.identity())
    devise = training.trained["devise"]
    tracking.log_params({"horovod_size": devise.size, "features_version": version})
    for method, result in training.trained.items():
        for epoch, loss in enumerate(result.losses):
            tracking.log_metrics({f"loss_{method}": loss}, step=epoch)
    kernel, bias = backbone.classifier()
    bundle = ProjectionBundle(
        {method: result.projection for method, result in training.trained.items()},
        training.control_vectors,
        kernel,
        bias,
        backbone.classes,
        backbone.identity(),
        training.words_id,
    )
    size = backbone.image_size
    tracking.register_keras(
        assemble(backbone, devise.projection),
        config.model_name,
        np.zeros((1, size, size, 3), dtype=np.float32),
        requirements(),
        bundle.save,
    )
    return {"features": training.rows, "ranks": devise.size, "epochs": config.epochs}


if __name__ == "__main__":
    run_job(run, TrainDevise)
