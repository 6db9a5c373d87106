"""The Spark session: ours on a laptop, the platform's on a cluster."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyspark
from delta import configure_spark_with_delta_pip
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from devise_lib.errors import InputError
from devise_lib.spark import worker_daemon
from devise_lib.spark.fast_start import FastStart, variables
from devise_lib.spark.java import find_java
from devise_lib.spark.machine import driver_memory_bytes, memory_available_bytes

DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"

EVERY_SESSION = {  # Arrow batches hold whole photos: the default of 10,000 rows would be a gigabyte
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 * 1024**2),
}
LOCAL_SETTINGS = {  # for tables of megabytes: Spark's defaults cost seconds a commit there
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",  # VACUUM has as many tasks
    "spark.sql.files.openCostInBytes": str(256 * 1024),  # a local file opens at once
    "spark.sql.files.maxPartitionBytes": str(16 * 1024**2),  # tasks enough to keep cores busy
}
OUR_SETTINGS = {
    "spark.driver.host": "localhost",  # resolves on a laptop off the network, too
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": DELTA_EXTENSION,
    "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
}


def start_session(app_name: str, settings: Mapping[str, str]) -> SparkSession:
    """The session that runs already or that spark-submit prepares, else one of our own.

    Args:
        app_name: shown in Spark's own pages.
        settings: Spark's settings without their prefix "spark."; they win over ours.

    Raises:
        InputError: no Java, too little memory, a port in use, or Delta is not on the class path.
    """
    given = {f"spark.{key}": value for key, value in settings.items()}
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers read it there only
    if is_managed():
        builder = SparkSession.builder.appName(app_name)
        for key, value in given.items():
            builder = builder.config(key, value)
        spark = _create(builder, given)
    else:
        builder, environment = _own_builder(app_name, given)
        with variables(environment):
            spark = _create(builder, given)
        spark.sparkContext.setLogLevel(given.get("spark.log.level", "ERROR"))
    _require_delta(spark)
    local = spark.conf.get("spark.master", "").startswith("local")
    for key, value in {**EVERY_SESSION, **(LOCAL_SETTINGS if local else {})}.items():
        spark.conf.set(key, given.get(key, value))
    return spark


def is_managed() -> bool:
    """Whether a platform (spark-submit, Databricks, a notebook) has made the JVM already."""
    names = ("PYSPARK_GATEWAY_PORT", "DATABRICKS_RUNTIME_VERSION")
    return SparkSession.getActiveSession() is not None or any(name in os.environ for name in names)


def _own_builder(
    app_name: str, given: Mapping[str, str]
) -> tuple[SparkSession.Builder, dict[str, str]]:
    """What starts a session of our own, and the variables that its Java starts with."""
    os.environ["JAVA_HOME"] = str(find_java())
    master = given.get("spark.master", "local[*]")
    local = master.startswith("local")
    conf = {**OUR_SETTINGS, "spark.master": master, **given}
    environment = {}
    start = FastStart(Path(sys.prefix), Path(pyspark.__file__).parent)
    if local:
        os.environ["SPARK_HOME"] = str(start.spark_home)  # not another Spark's
        driver = driver_memory_bytes(
            memory_available_bytes(), _cores(master), given.get("spark.driver.memory", "")
        )
        conf["spark.driver.memory"] = f"{driver // 2**20}m"
        conf.setdefault("spark.python.daemon.module", worker_daemon.MODULE)
        if start.fits(os.environ):
            conf = start.settings(conf)
            environment["SPARK_CONF_DIR"] = str(start.conf)
    builder = SparkSession.builder.appName(app_name)
    for key, value in conf.items():
        builder = builder.config(key, value)
    if not (local and start.has_delta()):
        builder = configure_spark_with_delta_pip(builder)
    return builder, environment


def _cores(master: str) -> int:
    """Tasks at once of a local master: local, local[N], local[*], local-cluster[W,C,M]."""
    numbers = re.findall(r"\d+", master)
    if master.startswith("local-cluster") and len(numbers) >= 2:
        return int(numbers[0]) * int(numbers[1])
    if numbers:
        return int(numbers[0])
    return (os.cpu_count() or 1) if "*" in master else 1


def _create(builder: SparkSession.Builder, given: Mapping[str, str]) -> SparkSession:
    try:
        return builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise InputError(
            f"Spark did not start: {error}; see its log above, or logs/spark.log in the work folder"
        ) from error
    except Exception as error:
        if "BindException" not in str(error):
            raise
        ports = [f"{key} = {value}" for key, value in given.items() if key.endswith("port")]
        raise InputError(
            f"a port that Spark wants is in use ({', '.join(ports) or 'the driver port'}): stop "
            "the program that holds it, or give another with --set spark.driver.port=PORT"
        ) from error


def _require_delta(spark: SparkSession) -> None:
    if DELTA_EXTENSION in spark.conf.get("spark.sql.extensions", ""):
        return
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return
    raise InputError(
        "Delta Lake is not set up in this Spark session: give spark-submit "
        "--properties-file conf/spark-defaults.conf"
    )


@contextmanager
def arrow_rows(spark: SparkSession, rows: int) -> Iterator[None]:
    """Arrow batches of another length than fits photos, for the actions inside."""
    with session_settings(spark, {"spark.sql.execution.arrow.maxRecordsPerBatch": str(rows)}):
        yield


@contextmanager
def session_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Settings of the session for the actions inside; afterwards they are as they were."""
    before = {key: spark.conf.get(key, None) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Send standard error to a file: Spark's log, the workers', TensorFlow's.

    The terminal is left to the lines that a person reads. Where a platform has made the session,
    it keeps the logs as well, and nothing is changed.
    """
    if is_managed():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
