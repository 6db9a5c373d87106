"""Our side of bench_index: EMBEDDINGS of made vectors, and the job build_index on it.

python benchmarks/index_ours.py table FOLDER WORK_DIR
python benchmarks/index_ours.py build WORK_DIR BYTES_PER_VECTOR RECALL [MAX_MEMORY_GIB]

FOLDER holds vectors.npy (`index_data.prepare`). The table is written by one process and the index
built by another, each with a Spark session of its own on two threads. Both print a line of JSON.
`began` and `ended` are in seconds since the epoch, so that memory can be attributed to the build.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.phases import NOTHING, Phases  # noqa: E402 - found by the line above
from devise_lib import tracking  # noqa: E402
from devise_lib.config.search import BuildIndex  # noqa: E402
from devise_lib.index.bundle import read_current  # noqa: E402
from devise_lib.index.manifest import IDS_FILE, INDEX_FILE  # noqa: E402
from devise_lib.spark.job.entry import execute  # noqa: E402
from devise_lib.spark.platform.session import start_session  # noqa: E402
from devise_lib.spark.search import build_index as build_module  # noqa: E402
from devise_lib.spark.search.step_runner import StepRunner  # noqa: E402
from devise_lib.spark.tables.delta_tables import Tables  # noqa: E402
from devise_lib.spark.tables.schemas import EMBEDDINGS  # noqa: E402
from jobs import build_index  # noqa: E402

MODEL, THREADS = "bench-v1", 2
ROWS = 10_000  # of an Arrow batch while the table is written
GIB = 2**30


def photo_id(row: int) -> str:
    """Returns the id of the photo whose vector is row `row` of vectors.npy."""
    return hashlib.sha256(str(row).encode()).hexdigest()[:32]


def main() -> None:
    started = time.perf_counter()
    spark = start_session("bench_index", {"master": f"local[{THREADS}]"})
    session_s = time.perf_counter() - started
    what, *rest = sys.argv[1:]
    if what == "table":
        made = write_table(spark, Path(rest[0]), Path(rest[1]))
    else:
        made = build(spark, Path(rest[0]), *map(float, rest[1:]))
    memory = spark.conf.get("spark.driver.memory", "")
    print(json.dumps({**made, "session_s": session_s, "driver_memory": memory}))


def configure(work_dir: Path, **settings: Any) -> BuildIndex:
    uri = f"sqlite:///{work_dir}/mlflow.db"
    config = BuildIndex(work_dir=str(work_dir), tracking_uri=uri, carry_network=False, **settings)
    tracking.connect(config)
    return config


def write_table(spark: SparkSession, folder: Path, work_dir: Path) -> dict[str, Any]:
    """Writes a row of EMBEDDINGS for each vector, which the tasks read from the file."""
    started = time.perf_counter()
    path = str(folder / "vectors.npy")
    n = len(np.load(path, mmap_mode="r"))

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        vectors = np.load(path, mmap_mode="r")
        for batch in batches:
            ids = batch["id"].to_pylist()
            digests = [hashlib.sha256(str(row).encode()).hexdigest() for row in ids]
            values = np.ascontiguousarray(vectors[ids[0] : ids[-1] + 1])
            offsets = pa.array(np.arange(len(ids) + 1, dtype=np.int32) * values.shape[1])
            embedding = pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
            columns = [pa.array([text[:32] for text in digests]), pa.array(digests), embedding]
            yield pa.RecordBatch.from_arrays(columns, ["photo_id", "sha256", "embedding"])

    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(ROWS))
    made = spark.range(0, n, 1, max(THREADS, n // 100_000)).mapInArrow(
        rows, "photo_id string, sha256 string, embedding array<float>"
    )
    known = {"model_id": F.lit(MODEL), "photo_set": F.lit("bench"), "run_id": F.lit("run")}
    given = {**known, **{name: F.col(name) for name in made.columns}}
    columns = [
        given.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name)
        for field in EMBEDDINGS.fields
    ]
    Tables.of(spark, configure(work_dir)).overwrite("embeddings", made.select(*columns))
    return {"table_s": time.perf_counter() - started, "rows": n}


def build(
    spark: SparkSession, work_dir: Path, per_vector: float, recall: float, max_memory: float = 4.0
) -> dict[str, Any]:
    """Runs the job; returns what it built, and the wall time and the tasks of each step."""
    n = Tables.of(spark, configure(work_dir)).read("embeddings").count()
    budget = {"max_index_gib": n * per_vector / GIB, "max_memory_gib": max_memory}
    config = configure(work_dir, recall_target=recall, **budget)
    tracking.find_registered = lambda *_: SimpleNamespace(model_id=MODEL)  # type: ignore[assignment]
    phases = Phases()
    time_steps(phases)
    phases.rows["the rest"] = NOTHING
    began = time.time()
    phases.begin("the rest")
    execute(spark, build_index.run, config)
    phases.end()
    ended = time.time()
    bundle = read_current(str(work_dir))
    made = json.loads(Path(bundle.folder, "manifest.json").read_text())
    base = Path(bundle.folder, made["segments"][0]["name"])
    keys = ("index_key", "parameters", "point", "costs", "faiss_version", "queries")
    return {
        "began": began,
        "ended": ended,
        "index": str(base / INDEX_FILE),
        "ids": str(base / IDS_FILE),
        "folder_bytes": sum(about["size"] for about in made["files"].values()),
        "steps": {name: round(used.wall_s, 2) for name, used in phases.rows.items()},
        "cpu": {
            name: [round(used.python_s, 1), round(used.jvm_s, 1), round(used.others_s, 1)]
            for name, used in phases.rows.items()
        },
        **{key: made[key] for key in keys},
    }


def time_steps(phases: Phases) -> None:
    """Makes each step of a build a phase."""
    collect = StepRunner.collect

    @wraps(collect)
    def timed(self: StepRunner, step: str, tasks: DataFrame) -> list[str]:
        phases.begin(step)
        try:
            return collect(self, step, tasks)
        finally:
            phases.end()

    StepRunner.collect = timed  # type: ignore[method-assign]
    for name in ("make_plan", "quarantine", "publish", "draw_recall", "clean_up"):
        setattr(build_module, name, phases.wrap(name, getattr(build_module, name)))
    for name in ("write_recall", "log_bundle"):
        setattr(build_index, name, phases.wrap(name, getattr(build_index, name)))


if __name__ == "__main__":
    main()
