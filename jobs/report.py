"""Writes one HTML page of a run: figures beside their controls, photos, plots, times.

in   all tables, the published index, the records of the jobs
out  report/index.html   one file that needs no other; also stored with the MLflow run

    python jobs/report.py --config conf/local.toml --set 'report.queries=["red car"]'
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.reporting import Report

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(Report)

from pathlib import Path

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.paths import write_text_atomically
from devise_lib.report.page import render
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.report.collect import collect
from devise_lib.spark.tables.delta_tables import Tables


def run(spark: SparkSession, config: Report) -> dict[str, int]:
    """Write the page; returns its figures, tagged photos, queries and bytes."""
    model = tracking.find_registered(config.model_name, config.model)
    tables = Tables.of(spark, config)
    content = collect(tables, config, model.model_id, model.run_id, tracking.current_run_id())
    page = Path(config.work_dir) / "report" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(page, render(content))
    tracking.log_file(page)
    return {
        "figures": len(content.metrics),
        "tagged photos": len(content.gallery),
        "queries": len(content.queries),
        "bytes": page.stat().st_size,
    }


if __name__ == "__main__":
    run_job(run, Report)
