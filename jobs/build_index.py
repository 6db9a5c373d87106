"""Builds an index of the embeddings of one model, as a bundle that plain faiss opens.

in   EMBEDDINGS of the model, at the table's newest version
out  {work_dir}/index/<bundle>, named by {work_dir}/index/CURRENT; METRICS: recall of the index

    python jobs/build_index.py --config conf/local.toml --set build_index.recall_target=0.99
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import BuildIndex

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(BuildIndex)

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from devise_lib import tracking
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.search.build_index import build_bundle, write_recall
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: BuildIndex) -> dict[str, int]:
    """Build and publish the index; returns vectors, lists, and lists probed per query."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    run_id = tracking.current_run_id()
    tables = Tables.of(spark, config, run_id=run_id, model_id=model_id)
    tables.read("embeddings")  # The error for a missing table names the job that writes it.
    version = tables.version("embeddings")
    warn_if_incomplete(tables, model_id, config.name)
    embeddings = tables.read("embeddings", version).where(F.col("model_id") == model_id)
    bundle = build_bundle(embeddings, config, model_id, version, run_id)
    write_recall(tables, bundle)
    made = bundle.manifest
    tracking.log_params({"bundle": bundle.name, "index_key": made.index_key, "model_id": model_id})
    tracking.log_metrics({f"recall_at_{made.k}": made.recall, "nprobe": float(made.nprobe)})
    for point in made.curve:
        tracking.log_metrics({"recall_by_nprobe": point.recall}, step=point.nprobe)
    return {"vectors": made.n, "lists": made.nlist, "lists probed": made.nprobe}


if __name__ == "__main__":
    run_job(run, BuildIndex)
