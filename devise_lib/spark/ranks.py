"""Run a function on Horovod's ranks, one a Spark task."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import horovod.spark
from pyspark.sql import SparkSession

from devise_lib.config_types import JobConfig
from devise_lib.errors import InputError
from devise_lib.spark.machine import GIB, WORKER_BYTES, memory_available_bytes
from devise_lib.training.witness import first_cause, witnessed

P = TypeVar("P")
R = TypeVar("R")


def run_ranks(
    spark: SparkSession, function: Callable[[P], R], plan: P, ranks: int, log_path: Path
) -> list[R]:
    """Call `function(plan)` on `ranks` Spark tasks that Horovod has joined.

    Args:
        spark: the session; it must have room for all ranks at once.
        function: of devise_lib, so that executors can import it; sees its rank by Horovod.
        plan: what it is given; travels by pickle to each rank.
        ranks: how many.
        log_path: what the ranks print; its folder is one that they see.

    Returns:
        The results by rank. They pass through the driver: weights, never rows.

    Raises:
        InputError: Spark has fewer slots than ranks, or a local machine too little memory.
        RuntimeError: a rank failed, with its own error.
    """
    slots = spark.sparkContext.defaultParallelism
    if slots < ranks:
        raise InputError(
            f"ranks is {ranks}, but Spark has {slots} task slots, and all ranks must run at once: "
            "lower ranks, or give Spark more cores"
        )
    free = memory_available_bytes()
    if spark.sparkContext.master.startswith("local") and free < ranks * WORKER_BYTES:
        raise InputError(
            f"too little memory: {free / GIB:.1f} GiB are free, and {ranks} ranks want "
            f"{ranks * WORKER_BYTES / GIB:.1f} GiB: lower ranks or free some"
        )
    log_path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("horovod").setLevel(logging.ERROR)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    with (
        log_path.open("a", encoding="utf-8") as log,
        tempfile.TemporaryDirectory(prefix="ranks-", dir=log_path.parent) as witness,
    ):
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                return list(
                    horovod.spark.run(
                        witnessed,
                        args=(function, plan, str(Path(witness).absolute())),
                        num_proc=ranks,
                        env=environment,
                        stdout=log,
                        stderr=log,
                        verbose=0,
                    )
                )
        except Exception as error:
            cause = first_cause(Path(witness), ranks)
            raise RuntimeError(f"{cause}; what the ranks printed is in {log_path}") from error


def events_folder(config: JobConfig) -> str:
    """Where the first rank writes TensorBoard's event files of a job: a folder a training."""
    return str(Path(config.work_dir).absolute() / "logs" / "tensorboard" / config.name)


def checkpoint_folder(config: JobConfig, *inputs: int | str) -> Path:
    """Where a training that was killed is gone on with: only by one of the same inputs.

    Args:
        config: of the job.
        inputs: ids and versions of what the training reads.
    """
    read = json.dumps([config.model_dump(mode="json"), *inputs], sort_keys=True)
    digest = hashlib.sha256(read.encode()).hexdigest()[:16]
    return Path(config.work_dir).absolute() / "checkpoints" / config.name / digest


def ranks_log(config: JobConfig) -> Path:
    """Where what a job's ranks print goes."""
    return Path(config.work_dir) / "logs" / f"{config.name}.log"


def threads_a_rank(spark: SparkSession, ranks: int) -> int:
    """Cores of each of so many ranks that share Spark's."""
    return max(1, spark.sparkContext.defaultParallelism // ranks)


def require_row_groups(files: list[str], ranks: int, table: str, remedy: str) -> None:
    """Refuse a table that cannot be dealt: each rank wants a file of its own at least.

    Raises:
        InputError: with what to do.
    """
    if len(files) < ranks:
        raise InputError(
            f"table {table} has {len(files)} files of training rows for {ranks} ranks, and each "
            f"rank wants one at least: {remedy}"
        )
