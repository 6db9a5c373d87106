"""Finds the nearest photos of every photo, or of every query of a table.

in   EMBEDDINGS of the model, and a table of queries; its published index or its hash; PHOTOS for a
     condition, and for photos that are gone
out  NEIGHBOURS   the rows of this model and these queries are replaced in one commit

    python jobs/find_neighbours.py --config conf/local.toml --set find_neighbours.via=signatures
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import FindNeighbours

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(FindNeighbours)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.console import print_line
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.lsh.neighbours import write_by_signatures
from devise_lib.spark.search.neighbours import write_by_index
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: FindNeighbours) -> dict[str, int]:
    """Write NEIGHBOURS; returns rows, queries that have neighbours, and what is left out."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    tables = Tables.of(spark, config, run_id=tracking.current_run_id(), model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    tracking.log_params({"model_id": model_id})
    if config.via == "index":
        rows, recall = write_by_index(tables, config, model_id), None
    else:
        rows, recall = write_by_signatures(tables, config, model_id)
    if config.among and not rows["neighbours"]:
        print_line(f"{config.name}  no photo fulfils {config.name}.among = {config.among!r}")
    if recall is not None:
        print_line(
            f"{config.name}  recall@{config.k} {recall:.3f} on at most "
            f"{config.recall_queries} photos"
        )
        tracking.log_metrics({f"recall_at_{config.k}": recall})
    return rows


if __name__ == "__main__":
    run_job(run, FindNeighbours)
