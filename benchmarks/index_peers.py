"""The peers of bench_index. Runs in their environment, which has no package of ours.

python benchmarks/index_peers.py build PEER VECTORS_FOLDER OUT_FOLDER BYTES_PER_VECTOR
python benchmarks/index_peers.py search PEER OUT_FOLDER QUERIES TRUTH RECALL

VECTORS_FOLDER holds one .npy file. `build` prints a line of JSON. `search` is for the peers whose
files are not faiss's. It raises the search effort until the recall is reached.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

THREADS, K = 2, 10
MEMORY = "10G"  # that autofaiss may take to build
LINKS, EFFORT = 16, 200  # of hnswlib and usearch: neighbours per vector, effort of the build
TREES = 50  # of annoy
EFFORTS = tuple(int(10 * 2 ** (step / 2)) for step in range(16))  # 10 to 1,810
BATCH = 64
CHUNK = 100_000


def main() -> None:
    what, peer, *rest = sys.argv[1:]
    if what == "build":
        vectors, out, per_vector = Path(rest[0]), Path(rest[1]), float(rest[2])
        build = autofaiss if peer.startswith("autofaiss") else BUILDERS[peer]
        began = time.time()
        made = build(peer, vectors, out, per_vector)
        made |= {"began": began, "ended": time.time(), "version": version(peer.partition("-")[0])}
    else:
        made = search(peer, Path(rest[0]), np.load(rest[1]), np.load(rest[2]), float(rest[3]))
    print(json.dumps(made))


def autofaiss(peer: str, vectors: Path, out: Path, per_vector: float) -> dict[str, Any]:
    """Builds by autofaiss from the file, with its defaults but for the budget and the threads."""
    from autofaiss import build_index

    [file] = vectors.glob("*.npy")
    n = len(np.load(file, mmap_mode="r"))
    index, _ = build_index(
        embeddings=str(vectors),
        index_path=str(out / "index.faiss"),
        index_infos_path=str(out / "infos.json"),
        max_index_memory_usage=f"{n * per_vector / 2**30:.6f}GB",
        current_memory_available=MEMORY,
        nb_cores=THREADS,
        metric_type="ip",
        should_be_memory_mappable=peer == "autofaiss-mapped",
    )
    if index is None:
        raise RuntimeError("autofaiss built no index: see its errors")
    infos = json.loads((out / "infos.json").read_text())
    return {
        "index": str(out / "index.faiss"),
        "index_key": infos["index_key"],
        "parameters": infos["index_param"],
        "infos": infos,
        "faiss_version": version("faiss-cpu"),
    }


def chunks(vectors: Path) -> Iterator[tuple[int, np.ndarray]]:
    [file] = vectors.glob("*.npy")
    mapped = np.load(file, mmap_mode="r")
    for start in range(0, len(mapped), CHUNK):
        yield start, np.asarray(mapped[start : start + CHUNK])


def size_of(vectors: Path) -> tuple[int, int]:
    [file] = vectors.glob("*.npy")
    n, d = np.load(file, mmap_mode="r").shape
    return n, d


def build_hnswlib(_: str, vectors: Path, out: Path, __: float) -> dict[str, Any]:
    import hnswlib

    n, d = size_of(vectors)
    index = hnswlib.Index("ip", d)
    index.init_index(n, M=LINKS, ef_construction=EFFORT)
    index.set_num_threads(THREADS)
    for start, chunk in chunks(vectors):
        index.add_items(chunk, np.arange(start, start + len(chunk)))
    index.save_index(str(out / "index"))
    return {"index": str(out / "index"), "index_key": f"M={LINKS}, ef_construction={EFFORT}"}


def build_usearch(_: str, vectors: Path, out: Path, __: float) -> dict[str, Any]:
    from usearch.index import Index

    _, d = size_of(vectors)
    index = Index(ndim=d, metric="ip", dtype="f32", connectivity=LINKS, expansion_add=EFFORT)
    for start, chunk in chunks(vectors):
        index.add(np.arange(start, start + len(chunk)), chunk, threads=THREADS)
    index.save(str(out / "index"))
    return {"index": str(out / "index"), "index_key": f"M={LINKS}, expansion_add={EFFORT}"}


def build_annoy(_: str, vectors: Path, out: Path, __: float) -> dict[str, Any]:
    from annoy import AnnoyIndex

    _, d = size_of(vectors)
    index = AnnoyIndex(d, "angular")
    index.on_disk_build(str(out / "index"))
    for start, chunk in chunks(vectors):
        for place, vector in enumerate(chunk):
            index.add_item(start + place, vector)
    index.build(TREES, n_jobs=THREADS)
    return {"index": str(out / "index"), "index_key": f"{TREES} trees"}


BUILDERS = {"hnswlib": build_hnswlib, "usearch": build_usearch, "annoy": build_annoy}
Search = Callable[[np.ndarray, int], np.ndarray]


def search(
    peer: str, out: Path, queries: np.ndarray, truth: np.ndarray, wanted: float
) -> dict[str, Any]:
    """Returns recall and speed at the least effort that reaches the recall, or at the most."""
    find, named = opened(peer, str(out / "index"), queries.shape[1])
    for effort in EFFORTS:
        found = find(queries, effort)
        hits = [len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]
        recall = sum(hits) / truth.size
        if recall >= wanted:
            break
    speeds = {}
    for name, size in (("all", len(queries)), ("batch", BATCH)):
        times = []
        for _ in range(3):
            started = time.perf_counter()
            for start in range(0, len(queries), size):
                find(queries[start : start + size], effort)
            times.append(time.perf_counter() - started)
        speeds[name] = len(queries) / sorted(times)[1]
    size = os.path.getsize(out / "index")
    return {"parameters": f"{named}={effort}", "recall": recall, "bytes": size, **speeds}


def opened(peer: str, path: str, d: int) -> tuple[Search, str]:
    if peer == "hnswlib":
        import hnswlib

        index = hnswlib.Index("ip", d)
        index.load_index(path)
        index.set_num_threads(THREADS)

        def by_hnswlib(queries: np.ndarray, effort: int) -> np.ndarray:
            index.set_ef(max(effort, K))
            return index.knn_query(queries, K)[0]

        return by_hnswlib, "ef"
    if peer == "usearch":
        from usearch.index import Index

        loaded = Index.restore(path)

        def by_usearch(queries: np.ndarray, effort: int) -> np.ndarray:
            loaded.expansion_search = effort
            return np.atleast_2d(loaded.search(queries, K, threads=THREADS).keys)

        return by_usearch, "expansion_search"
    from concurrent.futures import ThreadPoolExecutor

    from annoy import AnnoyIndex

    trees, pool = AnnoyIndex(d, "angular"), ThreadPoolExecutor(THREADS)
    trees.load(path)

    def by_annoy(queries: np.ndarray, effort: int) -> np.ndarray:
        nodes = effort * TREES
        one = lambda query: trees.get_nns_by_vector(query, K, nodes)  # noqa: E731
        return np.array(list(pool.map(one, queries)))

    return by_annoy, f"search_k/{TREES}"


if __name__ == "__main__":
    main()
