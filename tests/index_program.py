"""Builds an index of EMBEDDINGS in a process of its own, which a test may kill.

    python -m tests.index_program WORK_DIR SETTINGS

SETTINGS is the JSON of the keys of build_index.
"""

import json
import sys

from devise_lib.config.search import BuildIndex
from devise_lib.spark.platform.session import start_session
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.tables.delta_tables import Tables
from tests.conftest import SESSION
from tests.embedded import MODEL

if __name__ == "__main__":
    config = BuildIndex(work_dir=sys.argv[1], **json.loads(sys.argv[2]))
    spark = start_session("index_program", SESSION)
    build_bundle(Tables.of(spark, config), config, MODEL, "run")
