"""Works on the index of EMBEDDINGS in a process of its own, which a test may kill.

    python -m tests.index_program JOB WORK_DIR SETTINGS

JOB is build, update, compact or search. SETTINGS is the JSON of the keys of build_index, or of
find_neighbours for a search.
"""

import json
import sys

from devise_lib.config.search import BuildIndex, FindNeighbours
from devise_lib.spark.platform.session import start_session
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.search.compact_index import compact_bundle
from devise_lib.spark.search.neighbours import write_by_index
from devise_lib.spark.search.update_index import update_bundle
from devise_lib.spark.tables.delta_tables import Tables
from tests.conftest import SESSION
from tests.embedded import MODEL

JOBS = {"build": build_bundle, "update": update_bundle, "compact": compact_bundle}


def run(spark, job: str, work_dir: str, settings: dict) -> None:
    """Run a job in a work folder."""
    if job == "search":
        config = FindNeighbours(work_dir=work_dir, **settings)
        write_by_index(Tables.of(spark, config), config, MODEL)
    else:
        index = BuildIndex(work_dir=work_dir, **settings)
        JOBS[job](Tables.of(spark, index), index, MODEL, "run")


if __name__ == "__main__":
    run(start_session("index_program", SESSION), *sys.argv[1:3], json.loads(sys.argv[3]))
