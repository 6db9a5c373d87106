"""Embeds every photo into the word space, or refuses it to QUARANTINE; each once per model.

in   PHOTOS, the registered model
out  EMBEDDINGS, QUARANTINE   a run that was killed continues when it is started again
     CURRENT_MODELS           the model that readers see, once all of its photos are done

    python jobs/embed_photos.py --config conf/local.toml [--retry CLASS]
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.photos import EmbedPhotos

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(EmbedPhotos)

from contextlib import nullcontext

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.embed.results import RESULT_TABLES
from devise_lib.spark.embed.run import embed
from devise_lib.spark.embed.stream import lock_name
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.job.graceful_stop import StopSignal
from devise_lib.spark.job.locks import only_run
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: EmbedPhotos) -> dict[str, int]:
    """Embed all photos once or, with `poll_interval_s`, new ones until the job is stopped.

    Returns:
        The model's rows: embeddings, quarantined.
    """
    registered = tracking.find_registered(config.model_name, config.model)
    model_id = registered.model_id
    tables = Tables.of(spark, config, model_id=model_id, run_id=tracking.current_run_id())
    tables.require("photos")
    stop_signal = StopSignal()
    # A run that ends by itself may be killed at any time.
    signals = stop_signal if config.poll_interval_s else nullcontext()
    with only_run(config.work_dir, lock_name(model_id)), signals:
        for name in RESULT_TABLES:
            tables.create_if_missing(name)
        rows = embed(tables, config, registered, stop_signal)
    tracking.log_params({"model_id": model_id})
    return rows


if __name__ == "__main__":
    run_job(run, EmbedPhotos)
