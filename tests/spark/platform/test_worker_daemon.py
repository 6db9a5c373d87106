"""What Spark forks Python workers from: no archive on its path, the common imports done."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyspark
import pytest

from devise_lib.spark.platform.worker_daemon import MODULE, forked_with, without_archives

FORKED = """
import gc, sys
from devise_lib.spark.platform import worker_daemon
assert not [name for name in sys.modules if name.startswith("pyspark")]
import types
daemon = types.ModuleType("pyspark.daemon")
daemon.manager = lambda: print("pandas" in sys.modules, gc.get_freeze_count() > 0, *sys.path)
sys.modules["pyspark.daemon"] = daemon
worker_daemon.main()
"""


def test_folders_of_a_path_stay_in_their_order():
    path = ["/work", "/spark/python/lib/pyspark.zip", "/spark/jars/spark-core_2.13.jar", "/lib"]
    assert without_archives(path) == ["/work", "/lib"]


def test_workers_are_forked_with_pandas_loaded_and_without_sparks_archives():
    archive = next((Path(pyspark.__file__).parent / "python" / "lib").glob("pyspark.zip"))
    done = subprocess.run(
        [sys.executable, "-c", FORKED],
        env={**os.environ, "PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, frozen, *path = done.stdout.split()
    assert (loaded, frozen) == ("True", "True")
    assert path
    assert not [entry for entry in path if entry.endswith(".zip")]


@pytest.mark.spark
def test_tasks_find_imported_what_their_workers_are_to_be_forked_with(spark):
    """On a session, since Spark decides which daemon a task's worker is forked from."""
    context = spark.sparkContext

    def loaded() -> bool:
        rows = context.parallelize([0], 1).map(lambda _: "colorsys" in sys.modules)
        return rows.first()

    with forked_with(context, "colorsys"):
        assert loaded()
    assert not loaded()


@pytest.mark.parametrize(
    "settings",
    [
        {"spark.python.daemon.module": "pyspark.daemon"},
        {"spark.python.daemon.module": MODULE, "spark.task.resource.gpu.amount": "1"},
    ],
)
def test_workers_of_another_daemon_and_those_with_gpus_stay_as_they_are(settings):
    conf = SimpleNamespace(get=settings.get, contains=settings.__contains__)
    context = SimpleNamespace(environment={}, getConf=lambda: conf)
    with forked_with(context, "colorsys"):
        assert context.environment == {}


@pytest.mark.parametrize(
    "module",
    [
        *("evaluate.rank_photos", "photos.inference", "photos.decoding", "features.moments"),
        *("lsh.signing", "lsh.candidates", "lsh.ranking", "lsh.recall"),
    ],
)
def test_what_tasks_import_leaves_out_what_takes_seconds(module):
    """A network's task imports TensorFlow when it computes; the others never do."""
    heavy = "{'tensorflow', 'keras', 'mlflow', 'matplotlib', 'horovod'}"
    code = f"import sys, devise_lib.spark.{module}; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
