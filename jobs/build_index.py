"""Builds an index of the embeddings of one model, as a bundle that plain faiss opens.

in   EMBEDDINGS of the model, at one version of the table
out  {work_dir}/index/<bundle>, named by {work_dir}/index/CURRENT; METRICS: recall of the index;
     QUARANTINE: embeddings that cannot be indexed

    python jobs/build_index.py --config conf/local.toml --set build_index.recall_target=0.99
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import BuildIndex

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(BuildIndex)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.console import print_line
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.search.build_index import build_bundle, log_bundle, write_recall
from devise_lib.spark.search.update_index import compact_bundle, update_bundle
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: BuildIndex) -> dict[str, int]:
    """Build and publish the index; returns vectors, lists, lists probed, and rejected ones."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    run_id = tracking.current_run_id()
    tables = Tables.of(spark, config, run_id=run_id, model_id=model_id)
    tables.read("embeddings")  # The error for a missing table names the job that writes it.
    warn_if_incomplete(tables, model_id, config.name)
    work = {"rebuild": build_bundle, "update": update_bundle, "compact": compact_bundle}
    bundle = work[config.mode](tables, config, model_id, run_id)
    write_recall(tables, bundle)
    log_bundle(bundle)
    made = bundle.manifest
    print_line(f"{config.name}  {made.quality()}")
    rejected = {"not indexed, in QUARANTINE": sum(made.rejected.values())}
    counts = {"vectors": made.n, "lists": made.nlist, "lists probed": made.settings.nprobe}
    return counts | {name: count for name, count in rejected.items() if count}


if __name__ == "__main__":
    run_job(run, BuildIndex)
