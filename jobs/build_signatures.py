"""Writes random-hyperplane signatures of the embeddings of one model.

in   EMBEDDINGS of the model and PHOTOS, which says which are gone
out  HASHES and {work_dir}/hashes/, SIGNATURES, BUCKET_STATISTICS   the rows of this model

    python jobs/build_signatures.py --config conf/local.toml --set build_signatures.hash=median
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import BuildSignatures

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(BuildSignatures)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.lsh.signing import write_signatures
from devise_lib.spark.lsh.statistics import write_statistics
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: BuildSignatures) -> dict[str, int]:
    """Bring the signatures of a model up to date; returns their number, and what was done."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    tables = Tables.of(spark, config, run_id=tracking.current_run_id(), model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    made, counts = write_signatures(tables, config, model_id)
    statistics = write_statistics(tables, made, model_id)
    tracking.log_params({"model_id": model_id, "hash_id": made.hash_id})
    tracking.log_metrics(
        {
            **made.promise(),
            "largest_share": max((each.largest_share for each in statistics), default=0.0),
            "entropy": min((each.entropy for each in statistics), default=0.0),
        }
    )
    return counts | {"tables": made.hash.tables}


if __name__ == "__main__":
    run_job(run, BuildSignatures)
