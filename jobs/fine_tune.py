"""Trains the model and the end of its backbone on photos: DeViSE's last phase.

in   PHOTOS, LABELS, FEATURES, the model, checkpoints/train_backbone/
out  if it improves on labels held out: its FEATURES beside the others, and the fine-tuned model
     in MLflow's registry; it becomes champion if its base is and if it is clearly better

    python jobs/fine_tune.py --config conf/local.toml --set fine_tune.layers=4
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.training import FineTune

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(FineTune)


from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.features.extract import photos_with_targets
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.train.fine_tune import ModelToTune, register_tuned, tune_on_ranks
from devise_lib.spark.train.horovod_ranks import checkpoint_folder
from devise_lib.storage.stores import clean_up


def run(spark: SparkSession, config: FineTune) -> dict[str, int]:
    """Fine-tune the registered model, and register the result if any epoch improved it.

    Returns:
        Epochs trained, and rows of FEATURES written (0 without an improvement).
    """
    tables = Tables.of(spark, config, run_id=tracking.current_run_id())
    base = ModelToTune.load(config)
    model_id = base.registered.model_id
    photos = photos_with_targets(tables, config)
    versions = map(tables.version, ("photos", "labels"))  # The model's id stands for FEATURES.
    checkpoints = checkpoint_folder(config, model_id, *versions)
    train = photos.where("split = 'train'")
    tuned = tune_on_ranks(config, tables, train, base, checkpoints)
    tracking.log_params({"base_model": model_id, "horovod_size": tuned.size})
    tracking.log_curve("validation", [score.value for score in tuned.scores], first=0)
    tracking.log_curve("loss", tuned.losses, first=1)
    rows = register_tuned(config, tables, photos, base, tuned) if tuned.keras_file else 0
    clean_up(checkpoints)
    return {"epochs": len(tuned.losses), "features": rows}


if __name__ == "__main__":
    run_job(run, FineTune)
