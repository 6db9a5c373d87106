"""Finds the photos that complete each gallery of a table.

in   a table of galleries; EMBEDDINGS of the model and its published index; PHOTOS, which says which
     are gone; DUPLICATE_GROUPS, if copies are left out by them
out  GALLERY_SUGGESTIONS   the rows of this model and these galleries are replaced in one commit

    python jobs/complete_galleries.py --config conf/local.toml \
        --set complete_galleries.galleries=galleries.csv
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.suggestions import CompleteGalleries

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(CompleteGalleries)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.search.galleries import write_suggestions
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: CompleteGalleries) -> dict[str, int]:
    """Write GALLERY_SUGGESTIONS; returns rows, galleries that have some, and what is left out."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    run_id = tracking.current_run_id()
    tables = Tables.of(spark, config, run_id=run_id, model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    tracking.log_params({"model_id": model_id})
    return write_suggestions(tables, config, model_id, run_id)


if __name__ == "__main__":
    run_job(run, CompleteGalleries)
