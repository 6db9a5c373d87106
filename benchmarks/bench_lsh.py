"""Neighbours of all photos by signatures, beside Spark MLlib's LSH join and our index.

python benchmarks/bench_lsh.py FOLDER [--kind KIND ...] [--n N ...] [--by WAY ...] [--set KEY=VALUE]

| way | what is timed |
|---|---|
| signatures | build_signatures, then find_neighbours via = "signatures" |
| index | build_index, then find_neighbours via = "index" |
| mllib | BucketedRandomProjectionLSH.approxSimilarityJoin of some photos with all of them |

Each way runs on the same table of vectors (`index_data`) in a session of its own with two threads.
Recall counts the ids of the exact 10 neighbours of 1,000 photos. FOLDER keeps the vectors, and the
figures in lsh.jsonl. With `--set` a key of build_signatures or find_neighbours has another value.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from numpy.typing import NDArray
from pyspark.ml.feature import BucketedRandomProjectionLSH
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.index_data import KINDS, NEAREST, prepare  # noqa: E402 - found by the line above
from benchmarks.index_ours import MODEL, THREADS, configure, photo_id  # noqa: E402
from devise_lib import tracking  # noqa: E402
from devise_lib.config.search import BuildIndex, BuildSignatures, FindNeighbours  # noqa: E402
from devise_lib.numerics.retrieval import top_k  # noqa: E402
from devise_lib.spark.job.entry import execute  # noqa: E402
from devise_lib.spark.platform.session import start_session  # noqa: E402
from devise_lib.spark.tables.delta_tables import Tables  # noqa: E402
from jobs import build_index, build_signatures, find_neighbours  # noqa: E402

WAYS = ("signatures", "index", "mllib")
ASKED = 1_000  # photos whose recall is measured
MLLIB_TABLES = 5
MLLIB_LENGTH = 0.03  # of a bucket: its recall is then near that of our signatures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=["even", "clustered"])
    parser.add_argument("--n", nargs="+", type=int, default=[50_000])
    parser.add_argument("--by", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(run_one(args.one, Path(args.folder), args.set)))
        return
    print("| kind | photos | by | hash s | search s | recall@10 | bytes per photo | about |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in args.kind:
        for n in args.n:
            for way in args.by:
                measure(args.folder, kind, n, way, args.set)


def measure(folder: Path, kind: str, n: int, way: str, settings: list[str]) -> None:
    """Runs one way in a process of its own, prints its row and keeps its figures."""
    made = prepare(kind, n, folder)
    work = made / "work"
    ours = [sys.executable, str(HERE / "index_ours.py"), "table", str(made), str(work)]
    if not (work / "tables" / "embeddings").exists():
        subprocess.run(ours, check=True, stdout=subprocess.DEVNULL)
    command = [sys.executable, __file__, str(work), "--one", way, "--set", *settings]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    recall = recall_of(exact(made), found.pop("found"))
    row = {"kind": kind, "n": n, "by": way, "recall": round(recall, 4), **found}
    with (folder / "lsh.jsonl").open("a") as log:
        log.write(json.dumps({**row, "settings": settings}) + "\n")
    print(
        f"| {kind} | {n:,} | {way} | {found['hash_s']:.1f} | {found['search_s']:.1f} | "
        f"{recall:.3f} | {found['bytes']:.0f} | {json.dumps(found['about'])} |",
        flush=True,
    )


def exact(made: Path) -> dict[str, list[str]]:
    """Returns the exact neighbours of the first ASKED photos, by their ids."""
    path = made / "own_truth.npy"
    vectors = np.load(made / "vectors.npy", mmap_mode="r")
    if not path.exists():
        starts = range(0, len(vectors), 50_000)
        blocks = (
            (np.arange(s, min(s + 50_000, len(vectors))), vectors[s : s + 50_000]) for s in starts
        )
        rows, _ = top_k(np.array(vectors[:ASKED]), blocks, NEAREST + 1)
        np.save(path, rows)
    rows = np.load(path)
    return {
        photo_id(row): [photo_id(other) for other in found if other != row][:NEAREST]
        for row, found in enumerate(rows.tolist())
    }


def recall_of(wanted: dict[str, list[str]], found: dict[str, list[str]]) -> float:
    """Returns the mean share of the exact neighbours that were found."""
    shares = [len(set(found.get(name, [])) & set(best)) / NEAREST for name, best in wanted.items()]
    return float(np.mean(shares))


def run_one(way: str, work: Path, settings: list[str]) -> dict[str, Any]:
    """Runs one way; returns its times, the neighbours of the first photos, and its size."""
    memory = {"driver.memory": "6g"} if way == "mllib" else {}
    spark = start_session("bench_lsh", {"master": f"local[{THREADS}]", **memory})
    config = configure(work)
    tracking.find_registered = lambda *_: SimpleNamespace(model_id=MODEL)  # type: ignore[assignment]
    tables = Tables.of(spark, config)
    tables.read("embeddings").count()  # The session and the table are warm.
    given = dict(each.split("=", 1) for each in settings)
    known = {*BuildSignatures.model_fields, *FindNeighbours.model_fields, "joined", "length"}
    if strange := set(given) - known:
        raise SystemExit(f"no key {', '.join(sorted(strange))}")
    if way == "mllib":
        return by_mllib(spark, tables, given)
    common = {"work_dir": str(work), "tracking_uri": config.tracking_uri}
    of = {
        t: {k: v for k, v in given.items() if k in t.model_fields}
        for t in (BuildSignatures, FindNeighbours)
    }
    started = time.perf_counter()
    if way == "signatures":
        signing = BuildSignatures(**common, mode="rebuild", **of[BuildSignatures])
        rows = execute(spark, build_signatures.run, signing).rows
        size = tables.size("signatures").size_bytes
    else:
        rows = execute(spark, build_index.run, BuildIndex(**common, carry_network=False)).rows
        size = sum(p.stat().st_size for p in (work / "index").rglob("index.faiss"))
    hashed = time.perf_counter()
    via = FindNeighbours(**common, via=way, recall_queries=0, **of[FindNeighbours])
    rows |= execute(spark, find_neighbours.run, via).rows
    searched = time.perf_counter()
    return {
        "hash_s": hashed - started,
        "search_s": searched - hashed,
        "bytes": size / tables.read("embeddings").count(),
        "about": rows,
        "found": neighbours_of_the_first(work),
    }


def neighbours_of_the_first(work: Path) -> dict[str, list[str]]:
    """Returns the rows of NEIGHBOURS of the first ASKED photos."""
    asked = pa.array([photo_id(row) for row in range(ASKED)])
    table = DeltaTable(work / "tables" / "neighbours").to_pyarrow_table()
    table = table.filter(pc.is_in(table["photo_id"], asked)).select(["photo_id", "neighbour_id"])
    found: dict[str, list[str]] = {}
    for row in table.to_pylist():
        found.setdefault(row["photo_id"], []).append(row["neighbour_id"])
    return found


def by_mllib(spark: SparkSession, tables: Tables, given: dict[str, str]) -> dict[str, Any]:
    """Joins the first photos with all others, since a join of all takes too long.

    Two runs with other numbers (`--set joined=4000`) tell the time per photo without what it costs
    to hash all photos.
    """
    rows = tables.read("embeddings").select("photo_id", array_to_vector("embedding").alias("v"))
    rows = rows.cache()
    rows.count()
    joined = int(given.get("joined", ASKED))
    names = spark.createDataFrame([(photo_id(row),) for row in range(joined)], "photo_id string")
    some = rows.join(F.broadcast(names), "photo_id").cache()
    some.count()
    length = float(given.get("length", MLLIB_LENGTH))
    within = float(np.quantile(nearest_distance(tables), 0.9))  # 10 neighbours of most photos
    started = time.perf_counter()
    lsh = BucketedRandomProjectionLSH(
        inputCol="v", outputCol="h", bucketLength=length, numHashTables=MLLIB_TABLES, seed=0
    )
    model = lsh.fit(rows)
    hashed = time.perf_counter()
    pairs = model.approxSimilarityJoin(some, rows, within, "far")
    best = (
        pairs.select(
            F.col("datasetA.photo_id").alias("a"), F.col("datasetB.photo_id").alias("b"), "far"
        )
        .where("a != b")
        .groupBy("a")
        .agg(F.slice(F.array_sort(F.collect_list(F.struct("far", "b"))), 1, NEAREST).alias("best"))
    )
    first = [photo_id(row) for row in range(ASKED)]
    best = best.cache()
    best.count()
    searched = time.perf_counter()
    found = best.where(F.col("a").isin(first)).collect()
    return {
        "hash_s": hashed - started,
        "search_s": searched - hashed,
        "bytes": 0,
        "about": {
            "joined": joined,
            "bucket length": round(length, 3),
        },
        "found": {row["a"]: [each["b"] for each in row["best"]] for row in found},
    }


def nearest_distance(tables: Tables) -> NDArray[np.float64]:
    """Returns the Euclidean distances of the tenth neighbours of some photos."""
    every = tables.read("embeddings").select("embedding").toArrow()["embedding"]
    vectors = every.combine_chunks().flatten().to_numpy().reshape(len(every), -1)
    _, scores = top_k(vectors[:200], vectors, NEAREST + 1)
    return np.sqrt(np.maximum(2 - 2 * scores[:, -1].astype(float), 0))


if __name__ == "__main__":
    main()
