"""Writes random-hyperplane signatures of the embeddings of one model.

in   EMBEDDINGS of the model
out  HASHES, SIGNATURES   the rows of this model are replaced

    python jobs/build_signatures.py --config conf/local.toml --set build_signatures.bits=16
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import BuildSignatures

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(BuildSignatures)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.numerics.hashing import collision_probability
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.search.lsh import make_hash, require_dimension, sign
from devise_lib.spark.tables.delta_tables import Tables

COSINES = (0.95, 0.9, 0.8, 0.7)


def run(spark: SparkSession, config: BuildSignatures) -> dict[str, int]:
    """Write the signatures of a model and their hash; returns signatures, and buckets of each."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    tables = Tables.of(spark, config, run_id=tracking.current_run_id(), model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    embeddings = tables.of_model("embeddings", model_id)
    dimension = require_dimension(embeddings, model_id)
    hash_row = make_hash(embeddings, config, model_id, dimension)
    of_model = f"model_id = '{model_id}'"
    rows = tables.overwrite("signatures", sign(embeddings, hash_row), where=of_model)
    tables.overwrite("hashes", hash_row, where=of_model)
    tracking.log_params({"model_id": model_id})
    meet = {
        f"meet_at_cosine_{c}": collision_probability(c, config.bits, config.tables) for c in COSINES
    }
    tracking.log_metrics(meet)  # probability that two photos share a bucket
    return {"signatures": rows, "buckets each": config.tables}


if __name__ == "__main__":
    run_job(run, BuildSignatures)
