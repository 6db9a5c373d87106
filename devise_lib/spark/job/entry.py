"""What surrounds a job wherever it is run: the session, MLflow, the record that it finished."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.command_line import check_command_line, exit_on_input_error
from devise_lib.config.types import JobConfig
from devise_lib.run_record import (
    JobRecord,
    fingerprint,
    forget_record,
    log_path,
    read_record,
    write_record,
)
from devise_lib.spark.job.locks import only_run
from devise_lib.spark.platform.session import is_managed, log_to, start_session
from devise_lib.spark.tables.delta_tables import Tables

Run = Callable[[SparkSession, Any], dict[str, int]]


def run_job(run: Run, config_type: type[JobConfig], argv: Sequence[str] | None = None) -> None:
    """Run one job as a program: --config FILE [--set KEY=VALUE ...] [--retry CLASS ...].

    Exits with 2 for a configuration that cannot be used, before Spark starts, and with 1
    for an input that cannot; both with a message and no stack trace.
    """
    settings = check_command_line(config_type, argv)
    config = settings.jobs[config_type.name]
    with exit_on_input_error(config.name):
        where = "" if is_managed() else f", log {log_path(config)}"
        print(f"{config.name}  started{where}", flush=True)  # noqa: T201
        with log_to(log_path(config)):
            spark = start_session(config.name, settings.spark)
            tracking.connect(config)
            record = execute(spark, run, config)
        print(f"{record.job}  {record.seconds:.1f} s  {record.row_text()}")  # noqa: T201


def execute(spark: SparkSession, run: Run, config: JobConfig, parent_run_id: str = "") -> JobRecord:
    """Run a job inside an MLflow run of its own, and record that it finished.

    A run that changes no row of the tables that the job adds to leaves the result of the run before
    it, so that `--resume` does not begin anew behind it.

    Raises:
        InputError: the job is running in this work folder already. Its record stays as it is.
    """
    with nullcontext() if config.beside_itself else only_run(config.work_dir, config.name):
        return _execute(spark, run, config, parent_run_id)


def _execute(spark: SparkSession, run: Run, config: JobConfig, parent_run_id: str) -> JobRecord:
    started = time.monotonic()
    read_from = fingerprint(config)  # before the run: what changes meanwhile was not read
    earlier = read_record(config.work_dir, config.name)
    forget_record(config.work_dir, config.name)
    tables = Tables.of(spark, config)
    rows_before = tables.last_changes(*config.adds_to)
    with tracking.job_run(config, parent_run_id) as run_id:
        rows = run(spark, config)
        seconds = time.monotonic() - started
        counts = {f"rows_{name.replace(' ', '_')}": float(n) for name, n in rows.items()}
        tracking.log_metrics({"seconds": seconds, **counts})
    nothing_new = bool(config.adds_to) and rows_before == tables.last_changes(*config.adds_to)
    result_of = earlier.result_of if earlier and nothing_new else run_id
    record = JobRecord(config.name, run_id, read_from, seconds, rows, time.time(), result_of)
    write_record(config.work_dir, record)
    return record
