"""Finds groups of photos that are the same picture, by the embeddings of one model.

in   EMBEDDINGS of the model, its hash and SIGNATURES; PHOTOS, which says which are gone
out  DUPLICATE_GROUPS   the rows of this model are replaced in one commit

    python jobs/find_duplicates.py --config conf/local.toml --set find_duplicates.min_cosine=0.995
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import FindDuplicates

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(FindDuplicates)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.lsh.duplicates import write_duplicates
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: FindDuplicates) -> dict[str, int]:
    """Write DUPLICATE_GROUPS; returns the groups, the photos in them, and the duplicates."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    tables = Tables.of(spark, config, run_id=tracking.current_run_id(), model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    tracking.log_params({"model_id": model_id})
    return write_duplicates(tables, config, model_id)


if __name__ == "__main__":
    run_job(run, FindDuplicates)
