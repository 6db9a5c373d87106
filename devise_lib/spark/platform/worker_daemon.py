"""The process that Spark forks its Python workers from, for a local session.

PySpark's own daemon adds time to every Python task, which matters for tables of megabytes. Spark
puts its archives (pyspark.zip and a jar of thousands of classes) on the workers' path, and each
task reads their lists again. Workers need no archive, because PySpark is installed as a package.
This daemon imports once, before the fork, what nearly all tasks import. It then freezes these
objects, so that the garbage collection after each task skips them.

Tasks with a network need TensorFlow as well, which costs each worker 4 s of CPU. Their workers are
forked from a second daemon, which has imported it. The import starts no thread that computes.

    spark.python.daemon.module=devise_lib.spark.platform.worker_daemon
"""

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The daemon corrects its path before it imports pyspark.
    from pyspark import SparkContext

ARCHIVES = (".zip", ".jar")
MODULE = "devise_lib.spark.platform.worker_daemon"
IMPORTS = "DEVISE_WORKER_IMPORTS"  # names of modules, separated by blanks


@contextmanager
def forked_with(context: "SparkContext", *modules: str) -> Iterator[None]:
    """Run tasks that the body defines in workers that import these modules before the fork.

    It has no effect where Spark forks workers from another daemon, as on a cluster. It also has
    none where tasks have GPUs, because CUDA does not survive a fork.
    """
    conf = context.getConf()
    ours = conf.get("spark.python.daemon.module") == MODULE
    if not ours or conf.contains("spark.task.resource.gpu.amount"):
        yield
        return
    context.environment[IMPORTS] = " ".join(modules)  # Spark starts a daemon per environment.
    try:
        yield
    finally:
        del context.environment[IMPORTS]


def without_archives(path: list[str]) -> list[str]:
    """Return the entries of a module search path that are no archives."""
    return [entry for entry in path if not entry.endswith(ARCHIVES)]


def main() -> None:
    """Fork workers as Spark asks for them, until Spark ends."""
    sys.path[:] = without_archives(sys.path)  # It must precede the first import of pyspark.
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
