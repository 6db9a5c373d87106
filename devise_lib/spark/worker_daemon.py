"""The process that Spark forks its Python workers from, for a local session.

PySpark's own daemon costs every Python task time for nothing, which a table of megabytes notices.
Spark puts its archives (pyspark.zip and a jar of thousands of classes) on the workers' path, and
each task reads their lists anew. PySpark lies beside us as a package, so workers need no archive.
What nearly all tasks import is imported here once, before the fork, and frozen: the collection
after each task then leaves it alone.

    spark.python.daemon.module=devise_lib.spark.worker_daemon
"""

import gc
import sys

ARCHIVES = (".zip", ".jar")


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

    gc.freeze()
    manager()


if __name__ == "__main__":
    main()
