"""Measures whether looks at photos on an object store leave threads, sockets or memory behind.

python benchmarks/live_store.py [--looks N] [--photos N] [--trace] [--local]

One session calls `ingest` again and again, as `ingest_photos` does with `poll_interval_s`, at a
source of moto's S3 server. Every 20 looks there is a new photo, and then a sample of each process:
the driver's Python, Spark's Python workers and the JVM. PHOTOS is on the local disk. The session
is that of conf/local.toml with a heap of 1 GB. With --local the photos lie on the local disk too,
which shows what Spark itself takes.
"""

import argparse
import gc
import re
import statistics
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pyspark.sql import SparkSession  # noqa: E402 - found by the line above

from benchmarks.object_store import MOTO, hadoop_settings, jpeg, make_bucket, server  # noqa: E402
from devise_lib.config.loader import load_settings  # noqa: E402
from devise_lib.config.photos import IngestPhotos  # noqa: E402
from devise_lib.spark.ingest.run import ingest  # noqa: E402
from devise_lib.spark.platform.session import start_session  # noqa: E402
from devise_lib.spark.tables.delta_tables import Tables  # noqa: E402
from devise_lib.storage.files import LOCAL_FILES  # noqa: E402

EVERY, WARM = 20, 40  # looks between two samples; the look that growth is counted from
BUCKET, FOLDER = "lake", "photos"
POOLS = (  # of Spark's driver; each holds a thread for a minute after its last task
    *("shuffle-exchange-", "broadcast-exchange-", "block-manager-", "ResultQueryStageExecution-"),
    *("QueryStageCreator-", "subquery-", "map-output-dispatcher-"),
)
COLUMNS = {
    "driver MB": "RSS of the driver's Python",
    "driver threads": "",
    "driver sockets": "open ones, of any kind",
    "workers": "Spark's Python workers, and the process that they fork from",
    "largest worker MB": "RSS",
    "worker threads": "the most of one worker",
    "worker sockets": "the most of one worker",
    "to the server": "connections of all processes to the S3 server",
    "JVM MB": "RSS",
    "heap MB": "the JVM's heap in use after a collection",
    "JVM threads": "",
    "others": "threads of the JVM outside those of Spark's pools that end after a minute's rest",
    "JVM sockets": "",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=200)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--trace", action="store_true", help="where the driver's memory grows")
    parser.add_argument("--local", action="store_true", help="look at a local folder")
    args = parser.parse_args()
    with server(*MOTO) as url, tempfile.TemporaryDirectory(prefix="devise-live-") as work_dir:
        bucket = make_bucket(url, BUCKET)

        def put(number: int) -> None:
            key, photo = f"label_{number % 10}/{number:05}.jpg", jpeg(number, 64, 64)
            if args.local:
                LOCAL_FILES.write(f"{work_dir}/{FOLDER}/{key}", photo)
            else:
                bucket.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{key}", Body=photo)

        for number in range(args.photos):
            put(number)
        settings = {f"hadoop.{name}": value for name, value in hadoop_settings(url).items()}
        local = load_settings(ROOT / "conf" / "local.toml", [], []).spark
        spark = start_session(
            "live_store", {**local, "driver.memory": "1g", "master": "local[2]", **settings}
        )
        source = f"{work_dir if args.local else f's3a://{BUCKET}'}/{FOLDER}"
        config = IngestPhotos(work_dir=work_dir, source=source)  # type: ignore[arg-type]  # it is validated
        rows = look_often(spark, config, args.looks, put, args.photos, port_of(url))
        if args.trace:
            trace(spark, config)
        held = Tables.of(spark, config).read("photos").count()
        print(f"\nPHOTOS has {held} rows, {len(threading.enumerate())} threads run in Python:")
        print(Counter(bare(thread.name) for thread in threading.enumerate()))
        print("and the most frequent ones in the JVM:", jvm_threads(spark).most_common(12))
        spark.stop()
    print_growth(rows)


def look_often(
    spark: SparkSession, config: IngestPhotos, looks: int, put: Any, photos: int, port: int
) -> dict[int, dict[str, float]]:
    """Returns samples by the number of looks before them."""
    tables, rows = Tables.of(spark, config), {}
    took: list[float] = []
    print(f"| looks | {' | '.join(COLUMNS)} | s a look |\n|{'---|' * (len(COLUMNS) + 2)}")
    for number in range(looks + 1):
        if number and number % EVERY == 0:
            row = rows[number] = sample(spark, port)
            cells = " | ".join(f"{row[name]:,.0f}" for name in COLUMNS)
            print(f"| {number} | {cells} | {statistics.median(took):.2f} |", flush=True)
            put(photos + number // EVERY)
            took.clear()
        if number < looks:
            began = time.perf_counter()
            counts = ingest(tables, config)
            took.append(time.perf_counter() - began)
            expected = photos if number == 0 else int(number % EVERY == 0)
            if counts["photos"] != expected or counts["quarantined"]:
                raise RuntimeError(f"look {number} found {counts}, want {expected} photos")
    return rows


def sample(spark: SparkSession, port: int) -> dict[str, float]:
    jvm: Any = spark._jvm
    gc.collect()
    for _ in range(2):
        jvm.java.lang.System.gc()  # Spark's cleaner then frees what the collection has found.
        time.sleep(1)
    runtime = jvm.java.lang.Runtime.getRuntime()
    heap = runtime.totalMemory() - runtime.freeMemory()
    driver = psutil.Process()
    children = driver.children(recursive=True)
    [java] = [each for each in children if each.name() == "java"]
    workers = [each for each in java.children(recursive=True) if each.name().startswith("python")]
    seen = [figures(each, port) for each in workers]
    by_name = jvm_threads(spark)
    in_pools = sum(count for name, count in by_name.items() if name.startswith(POOLS))
    own, java_own = figures(driver, port), figures(java, port)
    return {
        "driver MB": own["MB"],
        "driver threads": own["threads"],
        "driver sockets": own["sockets"],
        "workers": len(workers),
        "largest worker MB": max(each["MB"] for each in seen),
        "worker threads": max(each["threads"] for each in seen),
        "worker sockets": max(each["sockets"] for each in seen),
        "to the server": sum(each["to the server"] for each in [own, java_own, *seen]),
        "JVM MB": java_own["MB"],
        "heap MB": heap / 2**20,
        "JVM threads": java_own["threads"],
        "others": java_own["threads"] - in_pools,
        "JVM sockets": java_own["sockets"],
    }


def figures(process: psutil.Process, port: int) -> dict[str, float]:
    sockets = process.net_connections(kind="all")
    return {
        "MB": process.memory_info().rss / 2**20,
        "threads": process.num_threads(),
        "sockets": len(sockets),
        "to the server": sum(bool(each.raddr) and each.raddr[-1] == port for each in sockets),
    }


def trace(spark: SparkSession, config: IngestPhotos, looks: int = EVERY) -> None:
    """Prints where the driver's Python allocates what it still holds after some more looks."""
    tables = Tables.of(spark, config)
    tracemalloc.start(8)
    kinds, first = count_objects(), tracemalloc.take_snapshot()
    for _ in range(looks):
        ingest(tables, config)
    more, last = count_objects(), tracemalloc.take_snapshot()
    print(f"\n{looks} more looks, by tracemalloc:")
    for line in last.compare_to(first, "lineno")[:15]:
        print(line)
    print("objects by type:", (more - kinds).most_common(15))
    tracemalloc.stop()


def jvm_threads(spark: SparkSession) -> Counter[str]:
    """Counts the JVM's threads by their names without numbers."""
    jvm: Any = spark._jvm
    return Counter(bare(each.getName()) for each in jvm.java.lang.Thread.getAllStackTraces())


def bare(name: str) -> str:
    return re.sub(r"[0-9]+", "N", name)


def count_objects() -> Counter[str]:
    gc.collect()
    return Counter(type(each).__qualname__ for each in gc.get_objects())


def print_growth(rows: dict[int, dict[str, float]]) -> None:
    first, last = min(max(WARM, min(rows)), max(rows)), max(rows)
    print(f"\n| from look {first} to {last} | before | after | growth |\n|---|---|---|---|")
    for name, what in COLUMNS.items():
        before, after = rows[first][name], rows[last][name]
        label = f"{name} ({what})" if what else name
        print(f"| {label} | {before:,.1f} | {after:,.1f} | {after - before:+,.1f} |")


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


if __name__ == "__main__":
    main()
