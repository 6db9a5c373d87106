"""Trains the projection into the word space, DeViSE's second phase, and its control.

in   FEATURES, LABELS, checkpoints/train_backbone/
out  the model in MLflow's registry, from pixels to unit embeddings; it gets the alias champion
     if it beats the current one on labels held out; plots with the MLflow run
     logs/tensorboard/train_devise/   curves, during training

    python jobs/train_devise.py --config conf/local.toml
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.training import TrainDevise

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(TrainDevise)


from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.plots import training_plots
from devise_lib.spark.train.projection import train_on_ranks
from devise_lib.spark.train.promotion import compare, register
from devise_lib.spark.train.runs import log_outcome
from devise_lib.storage.stores import clean_up
from devise_lib.training.model import assemble
from devise_lib.vision.networks.backbones import backbone_folder, load_backbone


def run(spark: SparkSession, config: TrainDevise) -> dict[str, int]:
    """Choose the settings, train and register the model, and promote it if it is clearly better.

    Returns:
        Training features, ranks, epochs, and 1 for a new champion.
    """
    tables = Tables.of(spark, config)
    backbone = load_backbone(backbone_folder(config.work_dir))
    version = tables.version("features")
    training = train_on_ranks(spark, config, tables, version, backbone)
    outcome = training.outcome
    tracking.log_params({"horovod_size": outcome.size, "features_version": version})
    log_outcome(outcome)
    tracking.log_plots(training_plots(outcome, training.tracked, tables.read("labels")))
    decision = compare(training.bundle, training.folds, config.model_name)
    network = assemble(backbone, training.bundle.trained[0].projection)
    model = register(training.bundle, network, config.model_name, version, decision)
    if decision.wins:
        tracking.promote(model)
    clean_up(training.checkpoints)
    return {
        "features": training.rows,
        "ranks": outcome.size,
        "epochs": outcome.settings.epochs,
        "new champion": int(decision.wins),
    }


if __name__ == "__main__":
    run_job(run, TrainDevise)
