"""Steps of the set-up: the environment's own Spark has our settings and Delta's jars."""

import os
import shutil
from pathlib import Path

from tools.commands import Words
from tools.environment import SetUp, replace_file
from tools.java_trust import java_options

CHECK_SETTINGS = (  # one row in Delta within seconds
    "spark.ui.enabled=false",
    "spark.driver.host=localhost",
    "spark.sql.shuffle.partitions=1",
    "spark.databricks.delta.snapshotPartitions=1",
)


def configure_spark(setup: SetUp) -> str:
    """Step: the environment's own Spark has our settings, its Python, and a Java that it can use.

    Files are replaced, never written into: uv links them to its cache.
    """
    defaults = (setup.root / "conf" / "spark-defaults.conf").read_text()
    conf = setup.spark_home / "conf"
    conf.mkdir(exist_ok=True)
    replace_file(
        conf / "spark-defaults.conf",
        f"{defaults}\n# The Python of this environment, on the driver and on the workers.\n"
        f"spark.pyspark.python             {setup.python}\n",
    )
    replace_file(
        conf / "spark-env.sh",
        "# Spark takes the Java that the project takes, whatever JAVA_HOME and PATH say.\n"
        f'JAVA_HOME="$("{setup.python}" -m devise_lib.spark.java)" || exit 1\n'
        "export JAVA_HOME\n",
    )
    # The original asks the python3 of the PATH, which need not be the one that has pyspark.
    replace_file(
        setup.venv / "bin" / "find-spark-home",
        '#!/usr/bin/env bash\nif [ -z "${SPARK_HOME}" ]; then\n'
        f'  export SPARK_HOME="{setup.spark_home}"\nfi\n',
    )
    (setup.venv / "bin" / "find-spark-home").chmod(0o755)
    return str(conf)


def fetch_delta(setup: SetUp) -> str:
    """Step: Delta's jars are where Spark keeps its packages, and spark-submit works with them."""
    scratch = setup.venv / "delta-check"
    shutil.rmtree(scratch, ignore_errors=True)
    submit: Words = [setup.venv / "bin" / "spark-submit", "--master", "local[1]"]
    settings = [word for setting in CHECK_SETTINGS for word in ("--conf", setting)]
    output = setup.commands.run(
        [*submit, *settings, setup.root / "tools" / "fetch_delta.py", scratch],
        "Delta's jars were not fetched, or Spark does not work with them",
        {"SPARK_SUBMIT_OPTS": " ".join(java_options(os.environ, setup.venv / "java-trust.jks"))},
    )
    shutil.rmtree(scratch)
    jars = [line.removeprefix("jar ") for line in output.splitlines() if line.startswith("jar ")]
    replace_file(setup.venv / "delta-jars.txt", "\n".join(jars))
    return ", ".join(Path(jar).name for jar in jars)
