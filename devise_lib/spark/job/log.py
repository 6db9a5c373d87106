"""The log of a job: a local file, which is copied to a work folder on a store at the end."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from devise_lib.config.types import JobConfig
from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.paths import is_remote
from devise_lib.run_record import log_path
from devise_lib.spark.platform.session import is_managed, log_to
from devise_lib.storage.stores import store_files
from devise_lib.tracking_store import store_in


@contextmanager
def job_log(config: JobConfig) -> Iterator[None]:
    """Send standard error to the log while the body runs, unless a platform keeps the logs.

    A store cannot append to a file. So all logs of this machine are copied to a work folder on a
    store when the body ends, to `logs/HOST/`.
    """
    try:
        with log_to(log_path(config)):
            yield
    finally:
        # Without a session the settings of the store are unknown.
        if is_remote(config.work_dir) and SparkSession.getActiveSession() is not None:
            _copy_logs(config)


def where_to_look(config: JobConfig) -> str:
    """Return where the log and, if it is on this machine alone, MLflow's store are.

    It is the end of a line, "" where a platform keeps the logs.
    """
    log = "" if is_managed() else f", log {log_path(config)}"
    is_here = is_remote(config.work_dir) and not config.tracking_uri
    return f"{log}, MLflow {store_in(config.work_dir)}" if is_here else log


def _copy_logs(config: JobConfig) -> None:
    folder = log_path(config).parent
    for path in folder.glob("*.log"):
        try:
            store_files().upload(path, f"{config.work_dir}/logs/{socket.gethostname()}/{path.name}")
        except InputError as error:  # It must not hide how the job ended.
            print_line(f"{path} was not copied: {error}")
            return
