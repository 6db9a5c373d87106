"""Writes the signatures of one model as binary FAISS indexes, which search teams open without us.

in   SIGNATURES of the model and its hash
out  {work_dir}/binary_index/<bundle>/   indexes, ids, the hash, manifest.json, README.md

    python jobs/export_signatures.py --config conf/local.toml --set export_signatures.kinds=hash
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.search import ExportSignatures

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(ExportSignatures)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.spark.embed.current_models import warn_if_incomplete
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.lsh.export import export_signatures
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: ExportSignatures) -> dict[str, int]:
    """Publish the indexes; returns the signatures in each, and the number of indexes."""
    model_id = tracking.find_registered(config.model_name, config.model).model_id
    run_id = tracking.current_run_id()
    tables = Tables.of(spark, config, run_id=run_id, model_id=model_id)
    warn_if_incomplete(tables, model_id, config.name)
    made, folder = export_signatures(tables, config, model_id, run_id)
    tracking.log_params({"model_id": model_id, "folder": folder})
    for kind, about in made.indexes.items():
        tracking.log_metrics(
            {
                f"{kind}_recall_at_{made.k}": about.recall,
                f"{kind}_queries_per_s": about.queries_per_s,
            }
        )
    return {"signatures": made.n, "indexes": len(made.indexes)}


if __name__ == "__main__":
    run_job(run, ExportSignatures)
