"""Recall and speed of faiss indexes, opened in the same way whoever built them.

python benchmarks/index_search.py FOLDER INDEX PARAMETERS RECALL [IDS]

FOLDER is of `index_data.prepare`. IDS is a file with the photo_id of each row of the index; without
it rows are those of vectors.npy. Prints a line of JSON: recall@10 and queries per second with
PARAMETERS, and with the cheapest of a series of settings that reaches RECALL.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

K, THREADS, BATCH, REPEATS = 10, 2, 64, 3


def main() -> None:
    folder, path, parameters, wanted, *ids = sys.argv[1:]
    faiss.omp_set_num_threads(THREADS)
    queries = np.load(Path(folder) / "queries.npy")
    truth = np.load(Path(folder) / "truth.npy")
    size = len(np.load(Path(folder) / "vectors.npy", mmap_mode="r"))
    index = faiss.read_index(path)
    rows = rows_of(np.load(ids[0]), size) if ids else None
    space = faiss.ParameterSpace()

    def found_with(settings: str) -> float:
        space.set_index_parameters(index, settings)
        return recall(index.search(queries, K)[1], truth, rows)

    made: dict[str, Any] = {"parameters": parameters, "recall": found_with(parameters)}
    made |= {"bytes": Path(path).stat().st_size, **speeds(index, queries)}
    for settings in series(index):
        reached = found_with(settings)
        if reached >= float(wanted):
            break
    made["equal"] = {"parameters": settings, "recall": reached, **speeds(index, queries)}
    print(json.dumps(made))


def rows_of(photo_ids: NDArray[np.bytes_], n: int) -> NDArray[np.int64]:
    """Returns the row in vectors.npy of each row of an index of ours."""
    from benchmarks.index_ours import photo_id

    numbers = {photo_id(row).encode(): row for row in range(n)}
    return np.array([numbers[bytes(name)] for name in photo_ids], np.int64)


def recall(
    found: NDArray[np.int64], truth: NDArray[np.int64], rows: NDArray[np.int64] | None
) -> float:
    """Returns the share of the exact results (q, k) that are found."""
    named = found if rows is None else np.where(found >= 0, rows[found], -1)
    hits = [len(set(a) & set(b)) for a, b in zip(named.tolist(), truth.tolist(), strict=True)]
    return sum(hits) / truth.size


def speeds(index: Any, queries: NDArray[np.float32]) -> dict[str, float]:
    """Returns queries per second in batches and all at once, each the median of some passes."""
    made = {}
    for name, size in (("all", len(queries)), ("batch", BATCH)):
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            for start in range(0, len(queries), size):
                index.search(queries[start : start + size], K)
            times.append(time.perf_counter() - started)
        made[name] = len(queries) / sorted(times)[REPEATS // 2]
    return made


def series(index: Any) -> Iterator[str]:
    """Yields settings of rising effort for an inverted file, or for a graph."""
    efforts = [int(2 ** (step / 3)) for step in range(34)]  # 1 to 2,048
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None:
        yield from (f"efSearch={effort}" for effort in dict.fromkeys(efforts) if effort >= K)
        return
    graph = isinstance(faiss.downcast_index(ivf.quantizer), faiss.IndexHNSW)
    for nprobe in dict.fromkeys(min(effort, ivf.nlist) for effort in efforts):
        yield f"nprobe={nprobe}" + (f",quantizer_efSearch={max(16, 2 * nprobe)}" if graph else "")


if __name__ == "__main__":
    main()
