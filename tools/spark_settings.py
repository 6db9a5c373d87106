"""Steps of the set-up: the environment's own Spark has our settings and Delta's jars."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tools.commands import Words
from tools.environment import SetUp, replace_file

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
        {"SPARK_SUBMIT_OPTS": " ".join(java_proxy_options(os.environ))},
    )
    shutil.rmtree(scratch)
    jars = [line.removeprefix("jar ") for line in output.splitlines() if line.startswith("jar ")]
    replace_file(setup.venv / "delta-jars.txt", "\n".join(jars))
    return ", ".join(Path(jar).name for jar in jars)


def java_proxy_options(environ: Mapping[str, str]) -> list[str]:
    """The proxies of `environ` as Java's options; Java does not read those variables itself."""
    options = []
    for scheme in ("http", "https"):
        proxy = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if not proxy:
            continue
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        options += [f"-D{scheme}.proxyHost={parts.hostname}"]
        options += [f"-D{scheme}.proxyPort={parts.port}"] if parts.port else []
    if options and (direct := environ.get("no_proxy") or environ.get("NO_PROXY")):
        hosts = [host.strip() for host in direct.split(",")]
        patterns = [f"*{host}" if host.startswith(".") else host for host in hosts]
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(patterns)}")
    return options
