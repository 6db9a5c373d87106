"""The process that Spark forks its Python workers from, for a local session.

PySpark's own daemon costs every Python task time for nothing, which a table of megabytes notices.
Spark puts its archives (pyspark.zip and a jar of thousands of classes) on the workers' path, and
each task reads their lists anew. PySpark lies beside us as a package, so workers need no archive.
What nearly all tasks import is imported here once, before the fork, and frozen: the collection
after each task then leaves it alone.

Tasks with a network want TensorFlow besides, which costs each worker 4 s of CPU. Their workers are
forked from a daemon of their own, which has imported it. The import starts no thread that computes.

    spark.python.daemon.module=devise_lib.spark.platform.worker_daemon
"""

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the daemon mends its path before it imports pyspark
    from pyspark import SparkContext

ARCHIVES = (".zip", ".jar")
MODULE = "devise_lib.spark.platform.worker_daemon"
IMPORTS = "DEVISE_WORKER_IMPORTS"  # names of modules, separated by blanks


@contextmanager
def forked_with(context: "SparkContext", *modules: str) -> Iterator[None]:
    """Tasks that the body defines run in workers that have imported these modules before the fork.

    Nothing changes where Spark forks its workers from another daemon, as on a cluster, or where
    tasks have GPUs, since CUDA does not outlive a fork.
    """
    conf = context.getConf()
    ours = conf.get("spark.python.daemon.module") == MODULE
    if not ours or conf.contains("spark.task.resource.gpu.amount"):
        yield
        return
    context.environment[IMPORTS] = " ".join(modules)  # Spark has a daemon for each environment
    try:
        yield
    finally:
        del context.environment[IMPORTS]


def without_archives(path: list[str]) -> list[str]:
    """The entries of a module search path that are folders."""
    return [entry for entry in path if not entry.endswith(ARCHIVES)]


def main() -> None:
    """Fork workers, as Spark asks for them, until it ends."""
    sys.path[:] = without_archives(sys.path)  # before the first import of pyspark
    import pandas as pd  # noqa: F401
    import pyarrow as pa  # noqa: F401
    import pyspark.sql.pandas.serializers
    import pyspark.sql.pandas.types  # noqa: F401
    from pyspark.daemon import manager

    for name in os.environ.get(IMPORTS, "").split():
        importlib.import_module(name)
    gc.freeze()
    manager()


if __name__ == "__main__":
    main()
