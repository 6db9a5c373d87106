"""Compares build_index with autofaiss, and for orientation with hnswlib, usearch and annoy.

python benchmarks/bench_index.py FOLDER [--kind KIND ...] [--n N ...] [--budget NAME ...]
    [--builder NAME ...] [--runs N]

All build an index of the same vectors on two threads. The budget counts the bytes per vector of the
index: `build_index.max_index_gib`, and `max_index_memory_usage` of autofaiss. Queries are vectors
of the same kind that are in no index. FOLDER keeps the vectors and, in results.jsonl, the figures.
The environment variable PEERS_PYTHON names the Python that has the peers (`index_peers`).
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.index_data import KINDS, D, prepare  # noqa: E402 - found by the line above
from benchmarks.index_watch import Watched, last_line, watch  # noqa: E402
from benchmarks.rate import Rate  # noqa: E402

# Bytes per vector, and the recall that is asked of ours and is compared at.
BUDGETS = {"ample": (4 * D + 300, 0.95), "tight": (64, 0.8)}
FAISS_PEERS = ("autofaiss", "autofaiss-mapped")
PEER = FAISS_PEERS[1]  # which builds an inverted file, as we do
GRAPHS = ("hnswlib", "usearch", "annoy")
BUILDERS = ("ours", *FAISS_PEERS, *GRAPHS)
SMALL = 200_000  # vectors of `measure`
Figures = dict[str, Any]


def measure() -> list[Rate]:
    """Returns vectors per second of both builders, and queries per second at the same recall.

    Without PEERS_PYTHON there is nothing to compare with, and it says so.
    """
    if "PEERS_PYTHON" not in os.environ:
        print("bench_index: PEERS_PYTHON is not set, so there is no peer", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory(prefix="devise-index-") as scratch:
        builders = {"ours": "ours", PEER: "autofaiss"}
        made = [run(Path(scratch), "clustered", SMALL, "ample", builder) for builder in builders]
    words = ", ".join(
        f"{name}: {figures['index_key']}, recall@10 {figures['recall']:.3f}, "
        f"{figures['bytes'] / SMALL:.0f} bytes a vector"
        for name, figures in zip(builders.values(), made, strict=True)
    )
    ours, peer = made
    what, same = f"an index of {SMALL:,} vectors", f"both at recall@10 {BUDGETS['ample'][1]}"
    speed, other = SMALL / ours["seconds"], SMALL / peer["seconds"]
    asked, answered = ours["equal"]["batch"], peer["equal"]["batch"]
    return [
        Rate(f"{what}, built", "vectors/s", speed, other, "autofaiss", words),
        Rate(f"{what}, searched", "queries/s", asked, answered, "autofaiss", same),
    ]


def run(folder: Path, kind: str, n: int, budget: str, builder: str) -> Figures:
    """Builds an index once, and searches it; returns all figures."""
    data = prepare(kind, n, folder)
    per_vector, wanted = BUDGETS[budget]
    if builder == "ours":
        made = run_ours(data, folder, per_vector, wanted)
    else:
        with tempfile.TemporaryDirectory(prefix="index-", dir=folder) as scratch:
            made = run_peer(builder, data, Path(scratch), per_vector, wanted)
    return {"kind": kind, "n": n, "budget": budget, "builder": builder, **made}


@contextmanager
def copy_of_table(data: Path, folder: Path) -> Iterator[Path]:
    """Gives a work folder with EMBEDDINGS of the vectors, for one build.

    The table is written once, and its files are links.
    """
    table = data / "work"
    if not (table / "tables").exists():
        program = [sys.executable, str(HERE / "index_ours.py"), "table"]
        written = last_line([*program, str(data), str(table)])
        (table / "written.json").write_text(json.dumps(written))
    with tempfile.TemporaryDirectory(prefix="index-", dir=folder) as scratch:
        work = Path(scratch) / "work"
        shutil.copytree(table / "tables", work / "tables", copy_function=os.link)
        yield work


def run_ours(data: Path, folder: Path, per_vector: float, wanted: float) -> Figures:
    program = [sys.executable, str(HERE / "index_ours.py"), "build"]
    with copy_of_table(data, folder) as work:
        watched = watch([*program, str(work), str(per_vector), str(wanted)], **os.environ)
        made = watched.result
        asked = (str(data), made["index"], made["parameters"], str(wanted), made["ids"])
        return {
            **about(watched),
            "table": json.loads((data / "work" / "written.json").read_text()),
            **last_line([sys.executable, str(HERE / "index_search.py"), *asked]),
        }


def run_peer(peer: str, data: Path, scratch: Path, per_vector: float, wanted: float) -> Figures:
    program = [peers_python(), str(HERE / "index_peers.py")]
    vectors = data / "vectors"
    asked = (peer, str(vectors), str(scratch), str(per_vector))
    watched = watch([*program, "build", *asked], **{**os.environ, "OMP_NUM_THREADS": "2"})
    made = watched.result
    figures = about(watched)
    if peer in FAISS_PEERS:
        search = [sys.executable, str(HERE / "index_search.py"), str(data), made["index"]]
        return {**figures, **last_line([*search, made["parameters"], str(wanted)])}
    files = (str(scratch), str(data / "queries.npy"), str(data / "truth.npy"))
    return {**figures, **last_line([*program, "search", peer, *files, str(wanted)])}


def peers_python() -> str:
    python = os.environ.get("PEERS_PYTHON")
    if not python:
        raise SystemExit("PEERS_PYTHON is not set: give the Python that has autofaiss")
    return python


def about(watched: Watched) -> Figures:
    """Returns the figures of a build without its times and paths."""
    made = watched.result
    kept = {key: made[key] for key in made if key not in ("began", "ended", "index", "ids")}
    seconds = made["ended"] - made["began"]
    beside = {"cpu_s": watched.cpu_s, "others": watched.others}
    return {**kept, "seconds": seconds, "peaks_mib": watched.peaks(), **beside}


def table(results: list[Figures]) -> str:
    """Returns the figures as lines of a table: medians over runs of the same."""
    groups: dict[tuple[Any, ...], list[Figures]] = {}
    for made in results:
        key = tuple(made[name] for name in ("kind", "n", "budget", "builder"))
        groups.setdefault(key, []).append(made)
    lines = [
        "| vectors | budget | builder | index | build s (runs) | CPU s "
        "| peak MiB: largest Python | JVM | all | index MiB | recall@10 "
        "| queries/s, batches of 64 | all at once "
        "| at the recall wanted | settings | cores of others |\n" + "|---" * 16 + "|"
    ]
    for (kind, n, budget, builder), runs in groups.items():
        last = runs[-1]

        def middle(get: Any, of: list[Figures] = runs) -> float:
            return statistics.median(get(made) for made in of)

        peaks = [middle(lambda made, p=p: made["peaks_mib"][p]) for p in ("python", "jvm", "tree")]
        equal = last.get("equal")
        at = f"{equal['batch']:,.0f} at {equal['recall']:.3f}" if equal else ""
        cells = [
            *(f"{n:,} {kind}", budget, builder, last["index_key"]),
            f"{middle(lambda made: made['seconds']):.1f} ({len(runs)})",
            f"{last['cpu_s']:,.0f}" if "cpu_s" in last else "?",
            *(f"{peak:,.0f}" for peak in peaks),
            f"{last['bytes'] / 2**20:,.0f}",
            f"{middle(lambda made: made['recall']):.3f}",
            f"{middle(lambda made: made['batch']):,.0f}",
            f"{middle(lambda made: made['all']):,.0f}",
            *(at, last["parameters"], f"{last['others']:.1f}" if "others" in last else "?"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--n", nargs="+", type=int, default=[500_000])
    parser.add_argument("--budget", nargs="+", choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--builder", nargs="+", choices=BUILDERS, default=list(BUILDERS))
    parser.add_argument("--runs", type=int, default=1)
    args = parser.parse_args()
    folder = args.folder.resolve()
    file = folder / "results.jsonl"
    for n in args.n:
        for kind in args.kind:
            for budget in args.budget:
                for builder in [b for b in args.builder if budget == "ample" or b not in GRAPHS]:
                    for _ in range(args.runs):
                        made = run(folder, kind, n, budget, builder)
                        with file.open("a") as results:
                            results.write(json.dumps({"at": time.time(), **made}) + "\n")
                        print(table([made]), flush=True)
    print(table([json.loads(line) for line in file.read_text().splitlines()]))


if __name__ == "__main__":
    main()
