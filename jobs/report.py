"""Writes one HTML page of a run: figures beside their controls, photos, plots, times.

in   all tables, the published index, the records of the jobs
out  report/index.html   one file that needs no other; also stored with the MLflow run

    python jobs/report.py --config conf/local.toml --set 'report.queries=["red car"]'
"""

from devise_lib.command_line import check_command_line
from devise_lib.config.reporting import Report

if __name__ == "__main__":  # before the imports that take seconds
    check_command_line(Report)

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.report.page import render
from devise_lib.spark.job.entry import run_job
from devise_lib.spark.report.collect import collect
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.stores import store_files


def run(spark: SparkSession, config: Report) -> dict[str, int]:
    """Write the page; returns its figures, tagged photos, queries and bytes."""
    model = tracking.find_registered(config.model_name, config.model)
    model.require_devise()
    tables = Tables.of(spark, config)
    content = collect(tables, config, model.model_id, model.run_id, tracking.current_run_id())
    page = render(content)
    store_files().write(f"{config.work_dir}/report/index.html", page.encode())
    tracking.log_page(page)
    return {
        "figures": len(content.metrics),
        "tagged photos": len(content.gallery),
        "queries": len(content.queries),
        "bytes": len(page.encode()),
    }


if __name__ == "__main__":
    run_job(run, Report)
