"""Runs a function on Horovod's ranks, with one rank per Spark task."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

import horovod.spark
from pyspark.sql import SparkSession

from devise_lib.config.types import JobConfig
from devise_lib.errors import InputError
from devise_lib.spark.platform.resources import GIB, WORKER_BYTES, memory_available_bytes
from devise_lib.training.ranks.hosts import ENVIRONMENT, require_slots, run_on_hosts
from devise_lib.training.ranks.rank_status import first_cause, record_outcome

P = TypeVar("P")
R = TypeVar("R")


def run_ranks(
    spark: SparkSession,
    function: Callable[[P], R],
    plan: P,
    ranks: int,
    log_path: Path,
    hosts: str = "",
) -> list[R]:
    """Call `function(plan)` on `ranks` processes that Horovod has joined.

    Args:
        spark: the session; if the ranks are its tasks, it must have room for all at once.
        function: of devise_lib, so that ranks can import it; Horovod tells it its rank.
        plan: its argument, sent to each rank by pickle.
        ranks: number of ranks.
        log_path: file for the output of the ranks, in a folder that they see.
        hosts: machines to start the ranks on as `horovodrun` does, with the slots of each:
            "gpu1:4,gpu2:4"; "": each rank is a Spark task.

    Returns:
        The results by rank. They pass through the driver: weights, never rows.

    Raises:
        InputError: there are fewer slots than ranks, a local machine has too little memory, or a
            rank raised InputError.
        RuntimeError: a rank failed with another error, which the message contains.
    """
    if hosts:
        require_slots(hosts, ranks)
    else:
        _require_room(spark, ranks)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("horovod").setLevel(logging.ERROR)
    with (
        log_path.open("a", encoding="utf-8") as log,
        tempfile.TemporaryDirectory(prefix="ranks-", dir=log_path.parent) as status_folder,
    ):
        call = record_outcome, (function, plan, str(Path(status_folder).absolute()))
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                return run_on_hosts(*call, ranks, hosts) if hosts else _on_spark(*call, ranks, log)
        except Exception as error:
            cause = first_cause(Path(status_folder), ranks)
            raise type(cause)(f"{cause}; the output of the ranks is in {log_path}") from error


def _on_spark(
    function: Callable[..., R], args: tuple[object, ...], ranks: int, log: TextIO
) -> list[R]:
    environment = {**os.environ, **ENVIRONMENT}
    options: dict[str, Any] = {"env": environment, "stdout": log, "stderr": log, "verbose": 0}
    return list(horovod.spark.run(function, args=args, num_proc=ranks, **options))


def _require_room(spark: SparkSession, ranks: int) -> None:
    slots = spark.sparkContext.defaultParallelism
    if slots < ranks:
        raise InputError(
            f"ranks is {ranks}, but Spark has {slots} task slots, and all ranks must run at once: "
            "lower ranks, or give Spark more cores"
        )
    free = memory_available_bytes()
    if spark.sparkContext.master.startswith("local") and free < ranks * WORKER_BYTES:
        raise InputError(
            f"too little memory: {free / GIB:.1f} GiB are free, but {ranks} ranks need "
            f"{ranks * WORKER_BYTES / GIB:.1f} GiB: lower ranks or free some memory"
        )


def events_folder(config: JobConfig) -> str:
    """Return the folder for TensorBoard's event files of a job, with one folder per training."""
    return str(Path(config.work_dir).absolute() / "logs" / "tensorboard" / config.name)


def checkpoint_folder(config: JobConfig, *inputs: int | str) -> Path:
    """Return the folder from which a killed training continues, if its inputs are the same.

    Args:
        config: of the job.
        inputs: ids and versions of what the training reads.
    """
    read = json.dumps([config.model_dump(mode="json"), *inputs], sort_keys=True)
    digest = hashlib.sha256(read.encode()).hexdigest()[:16]
    return Path(config.work_dir).absolute() / "checkpoints" / config.name / digest


def ranks_log(config: JobConfig) -> Path:
    """Return the file for the output of a job's ranks."""
    return Path(config.work_dir) / "logs" / f"{config.name}.log"


def threads_per_rank(spark: SparkSession, ranks: int) -> int:
    """Return the number of cores of each of `ranks` ranks that share Spark's cores."""
    return max(1, spark.sparkContext.defaultParallelism // ranks)


def require_row_groups(files: list[str], readers: int, table: str, remedy: str) -> None:
    """Raise InputError if a table has fewer files than readers: each reader needs its own.

    Args:
        files: of the table.
        readers: of all ranks.
        table: its name.
        remedy: the end of the message, which says what to do.
    """
    if len(files) < readers:
        raise InputError(
            f"table {table} has {len(files)} files of training rows for the {readers} readers of "
            f"all ranks, but each needs at least one: {remedy}"
        )
