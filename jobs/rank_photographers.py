"""Ranks the owners of photos for each assignment of a table.

in   a table of assignments; EMBEDDINGS of the model; PHOTOS, which names owners; WORD_VECTORS or
     TEXT_VECTORS, for assignments with a text
out  PHOTOGRAPHER_RANKING   the rows of this model and these assignments are replaced in one commit

    python jobs/rank_photographers.py --config conf/local.toml \
        --set rank_photographers.assignments=assignments.csv
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.suggestions import RankPhotographers

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(RankPhotographers)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.search.photographers import write_ranking
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: RankPhotographers) -> dict[str, int]:
    """Write PHOTOGRAPHER_RANKING; returns rows, assignments, owners, and what is left out."""
    model = tracking.find_registered(config.model_name, config.model)
    model_id, run_id = model.model_id, tracking.current_run_id()
    tables = Tables.of(spark, config, run_id=run_id, model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    counts, exposure = write_ranking(tables, config, model_id, run_id, model.words_id)
    tracking.log_params({"model_id": model_id})
    tracking.log_metrics({"exposure_share_of_the_top_1_percent": exposure})
    return counts


if __name__ == "__main__":
    run_job(run, RankPhotographers)
