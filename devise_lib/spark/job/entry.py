"""Runs a job: command line, Spark session, MLflow run, and the record that the job has finished."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.command_line import check_command_line, exit_on_input_error, find_input_error
from devise_lib.config.types import JobConfig
from devise_lib.run_record import (
    JobRecord,
    fingerprint,
    forget_record,
    read_inputs,
    read_record,
    write_record,
)
from devise_lib.spark.job.locks import only_run
from devise_lib.spark.job.log import job_log, where_to_look
from devise_lib.spark.platform.session import start_session
from devise_lib.spark.platform.stores import store_error_of
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.user_tables import table_state

Run = Callable[[SparkSession, Any], dict[str, int]]


def run_job(run: Run, config_type: type[JobConfig], argv: Sequence[str] | None = None) -> None:
    """Run one job as a program: --config FILE [--set KEY=VALUE ...] [--retry CLASS ...].

    Exits with 2 before Spark starts if the configuration cannot be used, and with 1 if an input
    cannot. Both print a message without a stack trace.

    Args:
        run: the job's function of a session and its configuration; returns rows by name.
        config_type: the model of its configuration, which also has its name.
        argv: the arguments; None: those of the process.
    """
    settings = check_command_line(config_type, argv)
    config = settings.jobs[config_type.name]
    with exit_on_input_error(config.name):
        print(f"{config.name}  started{where_to_look(config)}", flush=True)  # noqa: T201
        with job_log(config):
            spark = start_session(config.name, settings.spark)
            tracking.connect(config)
            record = execute(spark, run, config)
        print(f"{record.job}  {record.seconds:.1f} s  {record.row_text()}")  # noqa: T201


def execute(spark: SparkSession, run: Run, config: JobConfig, parent_run_id: str = "") -> JobRecord:
    """Run a job inside an MLflow run of its own, and record that it has finished.

    If no row changes in the tables that the job adds to, its result stays that of the run before.
    So `--resume` does not run the later jobs again.

    Args:
        spark: the session.
        run: the job's function; returns rows by name.
        config: the job's configuration.
        parent_run_id: of the MLflow run of a whole pipeline; "" for none.

    Returns:
        The record that was written to the work folder.

    Raises:
        InputError: the job is running in this work folder already. Its record stays as it is.
        StoreError: Spark or Python met a fault of the store.
    """
    try:
        with nullcontext() if config.beside_itself else only_run(config.work_dir, config.name):
            return _execute(spark, run, config, parent_run_id)
    except Exception as error:
        fault = store_error_of(error)
        if fault is None or find_input_error(error):
            raise
        raise fault from error


def _execute(spark: SparkSession, run: Run, config: JobConfig, parent_run_id: str) -> JobRecord:
    started = time.monotonic()
    # Taken before the run, because it does not read later changes.
    inputs = read_inputs(config, partial(table_state, spark))
    read_from = fingerprint(config, inputs)
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
