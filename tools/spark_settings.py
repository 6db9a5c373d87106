"""The step of the set-up that gives the environment's own Spark our settings."""

import re

from tools.environment import SetUp, replace_file

PACKAGES = re.compile(r"^\s*spark\.jars\.packages\b.*$", re.MULTILINE)


def configure_spark(setup: SetUp) -> str:
    """Step: gives the environment's own Spark our settings, its Python, and a Java that it can use.

    Files are replaced, never written into, because uv links them to its cache.
    """
    defaults = (setup.root / "conf" / "spark-defaults.conf").read_text()
    # Spark would resolve the packages at each start.
    defaults = PACKAGES.sub("# The set-up has put them beside Spark's own.", defaults)
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
        f'JAVA_HOME="$("{setup.python}" -m devise_lib.spark.platform.find_java)" || exit 1\n'
        "export JAVA_HOME\n",
    )
    # The original asks the python3 of the PATH, which may lack pyspark.
    replace_file(
        setup.venv / "bin" / "find-spark-home",
        '#!/usr/bin/env bash\nif [ -z "${SPARK_HOME}" ]; then\n'
        f'  export SPARK_HOME="{setup.spark_home}"\nfi\n',
    )
    (setup.venv / "bin" / "find-spark-home").chmod(0o755)
    return str(conf)
