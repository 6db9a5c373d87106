"""Runs a function on Horovod's ranks, with one rank per Spark task."""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar
from uuid import uuid4

import horovod.spark
from pyspark.sql import SparkSession

from devise_lib.config.types import JobConfig
from devise_lib.errors import InputError
from devise_lib.paths import absolute
from devise_lib.spark.platform.resources import GIB, WORKER_BYTES, memory_available_bytes
from devise_lib.storage.copies import state_folder
from devise_lib.storage.stores import clean_up, this_access
from devise_lib.training.ranks.hosts import ENVIRONMENT, require_slots, run_on_hosts
from devise_lib.training.ranks.rank_status import first_cause, record_outcome

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class RanksLogs:
    """Where the ranks of a job leave what they say.

    Attributes:
        output: a local file for their output.
        status: a folder that the driver and all ranks see, for how each of them ended.
    """

    output: Path
    status: str

    @classmethod
    def beside(cls, output: Path) -> "RanksLogs":
        """Return those of ranks that all see the disk of a local file."""
        return cls(output, f"{output.parent.absolute()}/ranks-{uuid4().hex}")

    @classmethod
    def of(cls, config: JobConfig) -> "RanksLogs":
        """Return those of a job; two calls have different folders."""
        output = state_folder(config.work_dir) / "logs" / f"{config.name}.log"
        return cls(output, f"{absolute(config.work_dir)}/logs/ranks-{uuid4().hex}")


def run_ranks(
    spark: SparkSession,
    function: Callable[[P], R],
    plan: P,
    ranks: int,
    logs: RanksLogs,
    hosts: str = "",
) -> list[R]:
    """Call `function(plan)` on `ranks` processes that Horovod has joined.

    Args:
        spark: the session; if the ranks are its tasks, it must have room for all at once.
        function: of devise_lib, so that ranks can import it; Horovod tells it its rank.
        plan: its argument, sent to each rank by pickle.
        ranks: number of ranks.
        logs: where they leave what they say.
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
    logs.output.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("horovod").setLevel(logging.ERROR)
    with logs.output.open("a", encoding="utf-8") as log:
        call = record_outcome, (function, plan, logs.status, this_access())
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                return run_on_hosts(*call, ranks, hosts) if hosts else _on_spark(*call, ranks, log)
        except Exception as error:
            cause = first_cause(logs.status, ranks)
            raise type(cause)(f"{cause}; the output of the ranks is in {logs.output}") from error
        finally:
            clean_up(logs.status)


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
    return f"{absolute(config.work_dir)}/logs/tensorboard/{config.name}"


def checkpoint_folder(config: JobConfig, *inputs: int | str) -> str:
    """Return the folder from which a killed training continues, if its inputs are the same.

    Args:
        config: of the job.
        inputs: ids and versions of what the training reads.
    """
    read = json.dumps([config.model_dump(mode="json"), *inputs], sort_keys=True)
    digest = hashlib.sha256(read.encode()).hexdigest()[:16]
    return f"{absolute(config.work_dir)}/checkpoints/{config.name}/{digest}"


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
