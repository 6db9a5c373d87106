"""Measures small steps on a table: append 8 rows, count them, overwrite them.

python benchmarks/small_commit.py [--steps N] [--config FILE.toml] [--set spark.KEY=VALUE ...]

The session has the settings of the configuration, conf/local.toml by default. Each step has its own
table. CPU seconds are those of the JVM, wall seconds those of the caller.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from devise_lib.config.loader import load_settings  # noqa: E402 - found by the line above
from devise_lib.spark.platform.session import start_session  # noqa: E402
from devise_lib.spark.tables.delta_tables import Tables  # noqa: E402
from devise_lib.spark.tables.schemas import METRICS  # noqa: E402
from tests.rows import row_of  # noqa: E402

ROWS = [row_of(METRICS, run_id="run", metric="hit", k=k, value=0.5) for k in range(8)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--config", type=Path, default=ROOT / "conf" / "local.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    started = time.perf_counter()
    spark = start_session("small_commit", load_settings(args.config, args.set, []).spark)
    session_s = time.perf_counter() - started
    [jvm] = [p for p in psutil.Process().children(recursive=True) if p.name() == "java"]
    print(f"the session: {session_s:.2f} s of wall time, {cpu_s(jvm):.2f} s of CPU")
    rows, spent = spark.createDataFrame(ROWS, METRICS), []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.steps):
            tables = Tables(spark, f"{folder}/{number}", "", {})
            before, began = cpu_s(jvm), time.perf_counter()
            tables.append("metrics", rows)
            assert tables.read("metrics").count() == len(ROWS)
            tables.overwrite("metrics", rows)
            spent.append((time.perf_counter() - began, cpu_s(jvm) - before))
    later = spent[len(spent) // 2 :]
    for what, steps in (("the first step", spent[:1]), (f"the last {len(later)}, median", later)):
        wall, cpu = (statistics.median(figures) for figures in zip(*steps, strict=True))
        print(f"{what}: {wall:.2f} s of wall time, {cpu:.2f} s of CPU")


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
