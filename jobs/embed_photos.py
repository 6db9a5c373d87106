"""Every photo to its place in the space of words, or to QUARANTINE; each once for a model.

in   PHOTOS, the registered model
out  EMBEDDINGS, QUARANTINE   kill it and run it again: it goes on where it was

    python jobs/embed_photos.py --config conf/local.toml
"""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.config import EmbedPhotos
from devise_lib.errors import InputError
from devise_lib.spark.embedding import count_results, embed_stream
from devise_lib.spark.entry import run_job
from devise_lib.spark.quarantine import refuse_too_many
from devise_lib.spark.tables import Tables


def run(spark: SparkSession, config: EmbedPhotos) -> dict[str, int]:
    tables = Tables.of(spark, config)
    photos = tables.read("photos").count()
    model = tracking.find_registered(config.model_name, config.model)
    network = spark.sparkContext.broadcast(tracking.fetch_keras(model))
    embed_stream(spark, config, model.model_id, network, tracking.current_run_id())
    embedded, refused = count_results(tables, model.model_id)
    if embedded + refused != photos:
        raise InputError(
            f"{photos} photos, but {model.model_id} embedded {embedded}, refused {refused}: "
            "PHOTOS was changed by something else than ingest_photos"
        )
    bad = tables.read("quarantine").where(F.col("model_id") == model.model_id)
    reasons = refuse_too_many(bad, photos, config.max_bad_share, config.name)
    tracking.log_params({"model_id": model.model_id})
    tracking.log_metrics({f"refused_{reason}": float(n) for reason, n in reasons.items()})
    return {"embeddings": embedded, "quarantined": refused}


if __name__ == "__main__":
    run_job(run, EmbedPhotos)
