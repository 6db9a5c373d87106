"""The Spark session: started here on a laptop, taken from the platform on a cluster."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyspark
from delta import configure_spark_with_delta_pip
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from devise_lib.console import print_line
from devise_lib.errors import InputError
from devise_lib.spark.platform import worker_daemon
from devise_lib.spark.platform.fast_start import FastStart, read_settings, variables
from devise_lib.spark.platform.find_java import find_java
from devise_lib.spark.platform.resources import cores_available, fit_local, memory_available_bytes
from devise_lib.spark.platform.stores import connect_stores

DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
DELTA_PACKAGE = "io.delta:delta-spark"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"

EVERY_SESSION = {  # Arrow batches hold whole photos: 10,000 rows, the default, would be a gigabyte
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 * 1024**2),
}
LOCAL_SETTINGS = {  # for tables of megabytes, where Spark's defaults cost seconds per commit
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",  # tasks of VACUUM
    "spark.sql.files.openCostInBytes": str(256 * 1024),  # a local file opens at once
    "spark.sql.files.maxPartitionBytes": str(16 * 1024**2),  # enough tasks to keep cores busy
}
LOCAL_SESSION = {
    "spark.driver.host": "localhost",  # This name also resolves on a laptop without a network.
    "spark.python.daemon.module": worker_daemon.MODULE,
}
OWN_SESSION = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": DELTA_EXTENSION,
    "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
}


def start_session(app_name: str, settings: Mapping[str, str]) -> SparkSession:
    """Return the running session, the one that spark-submit prepares, or else a new local one.

    Settings that the user has made elsewhere, as in spark-defaults.conf, stay as they are.

    Args:
        app_name: shown on Spark's own pages.
        settings: Spark's settings without the prefix "spark."; they override all others.

    Raises:
        InputError: there is no Java, too little memory, a port is in use, or Delta is not set up.
    """
    given = {f"spark.{key}": value for key, value in settings.items()}
    # Workers read this setting from the environment only.
    os.environ.setdefault("PYSPARK_PYTHON", given.get("spark.pyspark.python", sys.executable))
    if is_managed():
        builder = SparkSession.builder.appName(app_name)
        for key, value in given.items():
            builder = builder.config(key, value)
        spark = _create(builder, given)
    else:
        builder, environment = _own_builder(app_name, given)
        with variables(environment):
            spark = _create(builder, given)
        spark.sparkContext.setLogLevel(
            {**_users_defaults(), **given}.get("spark.log.level", "ERROR")
        )
    _require_delta(spark)
    present = spark.conf.getAll
    local = _is_local(present.get("spark.master", ""))
    for key, value in {**EVERY_SESSION, **(LOCAL_SETTINGS if local else {})}.items():
        if key not in present:
            spark.conf.set(key, value)
    connect_stores(spark)
    return spark


def _is_local(master: str) -> bool:
    return master.startswith("local")


def is_managed() -> bool:
    """Return whether a platform (spark-submit, Databricks, a notebook) has started the JVM."""
    names = ("PYSPARK_GATEWAY_PORT", "DATABRICKS_RUNTIME_VERSION")
    return SparkSession.getActiveSession() is not None or any(name in os.environ for name in names)


def _users_defaults() -> dict[str, str]:
    """Return the settings in the folder that SPARK_CONF_DIR names; empty without one."""
    folder = os.environ.get("SPARK_CONF_DIR")
    return read_settings(Path(folder) / "spark-defaults.conf") if folder else {}


def _own_builder(
    app_name: str, given: Mapping[str, str]
) -> tuple[SparkSession.Builder, dict[str, str]]:
    """Return the builder of a new session, and the environment variables to start its Java with.

    The session is local unless `given` names another master. Clusters are for spark-submit.
    """
    os.environ["JAVA_HOME"] = str(find_java())
    start = FastStart(Path(sys.prefix), Path(pyspark.__file__).parent)
    master = given.get("spark.master", "local[*]")
    local = _is_local(master)
    if local:
        os.environ["SPARK_HOME"] = str(start.spark_home)  # It may name another Spark.
    home = Path(os.environ.get("SPARK_HOME") or start.spark_home)
    # Spark reads this file itself. A setting of the builder would override it, so ours yield.
    there = _users_defaults() or read_settings(home / "conf" / "spark-defaults.conf")
    ours, environment = dict(OWN_SESSION), {}
    if local:
        wanted = {**there, **given}.get("spark.driver.memory", "")
        fit = fit_local(master, memory_available_bytes(), cores_available(), wanted)
        if fit.message:
            print_line(fit.message)
        master = fit.master
        ours |= LOCAL_SESSION | {"spark.driver.memory": f"{fit.driver_bytes // 2**20}m"}
    conf = {key: value for key, value in ours.items() if key not in there} | dict(given)
    conf["spark.master"] = master
    extensions = {**there, **conf}.get("spark.sql.extensions", "").split(",")
    if DELTA_EXTENSION not in extensions:
        conf["spark.sql.extensions"] = ",".join([*filter(None, extensions), DELTA_EXTENSION])
    if local and start.fits(os.environ):
        conf = start.settings(conf)
        environment["SPARK_CONF_DIR"] = str(start.conf)
    packages = {**there, **conf}.get("spark.jars.packages", "")
    builder = SparkSession.builder.appName(app_name)
    for key, value in conf.items():
        builder = builder.config(key, value)
    if not (local and start.has_delta()) and DELTA_PACKAGE not in packages:
        more = [package.strip() for package in packages.split(",") if package.strip()]
        builder = configure_spark_with_delta_pip(builder, more)
    return builder, environment


def _create(builder: SparkSession.Builder, given: Mapping[str, str]) -> SparkSession:
    try:
        return builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise InputError(
            f"Spark did not start: {error}; see its log above or in logs/spark.log"
        ) from error
    except Exception as error:
        if "BindException" not in str(error):
            raise
        ports = [f"{key} = {value}" for key, value in given.items() if key.endswith("port")]
        raise InputError(
            f"a port that Spark needs is in use ({', '.join(ports) or 'the driver port'}): stop "
            "the program that uses it, or set another with --set spark.driver.port=PORT"
        ) from error


def _require_delta(spark: SparkSession) -> None:
    if DELTA_EXTENSION in spark.conf.get("spark.sql.extensions", ""):
        return
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return
    raise InputError(
        "Delta Lake is not set up in this Spark session: run spark-submit with "
        "--properties-file conf/spark-defaults.conf"
    )


@contextmanager
def arrow_rows(spark: SparkSession, rows: int) -> Iterator[None]:
    """Set the number of rows per Arrow batch for the actions inside; the default suits photos."""
    with session_settings(spark, {"spark.sql.execution.arrow.maxRecordsPerBatch": str(rows)}):
        yield


@contextmanager
def session_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Set settings of the session for the actions inside, and restore them afterwards."""
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
    """Send standard error to a file: the logs of Spark, of the workers and of TensorFlow.

    So the terminal shows only the lines that a person reads. Where a platform has started the
    session, nothing changes, because it stores the logs itself.
    """
    if is_managed():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)
