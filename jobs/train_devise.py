"""The projection into the space of words: DeViSE's second phase, with its control.

in   FEATURES, LABELS, checkpoints/train_backbone/
out  the model in MLflow's registry, from pixels to unit embeddings, alias champion

    python jobs/train_devise.py --config conf/local.toml
"""

from pathlib import Path
from shutil import rmtree

import numpy as np
from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config import TrainDevise
from devise_lib.spark.devise import train_on_ranks
from devise_lib.spark.entry import run_job
from devise_lib.spark.tables import Tables
from devise_lib.spark.training_runs import log_outcome
from devise_lib.training.model import assemble, requirements
from devise_lib.vision.backbones import load_backbone


def run(spark: SparkSession, config: TrainDevise) -> dict[str, int]:
    tables = Tables.of(spark, config)
    backbone = load_backbone(Path(config.work_dir) / "checkpoints" / "train_backbone")
    version = tables.version("features")
    training = train_on_ranks(spark, config, tables, version, backbone)
    outcome = training.outcome
    tracking.log_params({"horovod_size": outcome.size, "features_version": version})
    log_outcome(outcome)
    size = backbone.image_size
    tracking.register_keras(
        assemble(backbone, training.bundle.trained[0].projection),
        config.model_name,
        np.zeros((1, size, size, 3), dtype=np.float32),
        requirements(),
        training.bundle.save,
    )
    rmtree(training.checkpoints, ignore_errors=True)
    return {"features": training.rows, "ranks": outcome.size, "epochs": outcome.settings.epochs}


if __name__ == "__main__":
    run_job(run, TrainDevise)
