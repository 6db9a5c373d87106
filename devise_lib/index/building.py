"""The steps of building an index. Each is the work of one task, and they share a folder of files.

    train_index     trained.faiss, queries.npz
    write_shard     shards/NUMBER.faiss, .parquet (ids), .npz (exact results within the shard)
    merge_shards    bundle/index.faiss, bundle/ids.parquet

A file gets its name only when it is complete, so a task may fail and be tried again.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from devise_lib.index.bundle import IDS_FILE, INDEX_FILE, check_files
from devise_lib.index.faiss_index import IvfIndex, set_threads
from devise_lib.index.size import choose_nlist
from devise_lib.index.tuning import RecallPoint, choose_point, measure_recall
from devise_lib.numerics.retrieval import drop_self_matches, merge_top_k, top_k
from devise_lib.storage.copies import fetched, write_file
from devise_lib.storage.files import file_sha256
from devise_lib.storage.folders import draft_of, replace_folder
from devise_lib.storage.stores import store_files

IDS_GROUP_ROWS = 100_000
IDS_SCHEMA = pa.schema([("row", pa.int64()), ("photo_id", pa.string())])


@dataclass(frozen=True)
class BuildPlan:
    """The parameters of an index to build.

    Attributes:
        folder: of its files, on a disk or a store that every task sees.
        n, dimension: of all vectors.
        nlist: the number of lists; 0 to choose it from n and the size of the sample.
        k: the number of results with which recall is measured.
        recall_target: the recall that nprobe must reach.
        seed: of the centroids.
    """

    folder: str
    n: int
    dimension: int
    nlist: int
    k: int
    recall_target: float
    seed: int

    @property
    def trained_path(self) -> str:
        """The file of the empty, trained index."""
        return f"{self.folder}/trained.faiss"

    @property
    def queries_path(self) -> str:
        """The file of the vectors with which recall is measured."""
        return f"{self.folder}/queries.npz"

    @property
    def shards(self) -> str:
        """The folder of the shards."""
        return f"{self.folder}/shards"

    @property
    def result(self) -> str:
        """The folder of the files to publish."""
        return f"{self.folder}/bundle"


@dataclass(frozen=True)
class BuildResult:
    """The result of a build; its fields are those of `bundle.Manifest`."""

    n: int
    nlist: int
    index_key: str
    nprobe: int
    k: int
    queries: int
    recall: float
    curve: tuple[RecallPoint, ...]
    sha256: dict[str, str]

    def to_json(self) -> str:
        """Returns one line that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "BuildResult":
        """Reads what `to_json` returned."""
        values = json.loads(text)
        values["curve"] = tuple(RecallPoint(**point) for point in values["curve"])
        return cls(**values)


@dataclass(frozen=True)
class SampleBatch:
    """Some vectors (b, d) of the sample; those with is_query (b,) are not used for training."""

    photo_ids: Sequence[str]
    vectors: NDArray[np.float32]
    is_query: NDArray[np.bool_]


def train_index(plan: BuildPlan, batches: Iterable[SampleBatch]) -> int:
    """Writes the empty index and the queries; returns the number of lists.

    Args:
        plan: of the index.
        batches: the sample.

    Raises:
        InputError: nlist is greater than the number of vectors to train on.
    """
    parts = list(batches)
    vectors = np.concatenate([part.vectors for part in parts])
    is_query = np.concatenate([part.is_query for part in parts])
    photo_ids = np.array([name for part in parts for name in part.photo_ids], dtype=np.str_)
    set_threads(len(os.sched_getaffinity(0)))  # this task runs alone
    training = vectors if is_query.all() else vectors[~is_query]
    nlist = plan.nlist or choose_nlist(plan.n, len(training))
    write_file(plan.trained_path, IvfIndex.train(training, nlist, plan.seed).save)
    arrays = {"photo_ids": photo_ids[is_query], "vectors": vectors[is_query]}
    _save_arrays(plan.queries_path, **arrays)
    return nlist


def write_shard(
    plan: BuildPlan, number: int, batches: Iterable[tuple[pa.StringArray, NDArray[np.float32]]]
) -> int:
    """Indexes some photos and searches them exactly for the queries; returns the number of photos.

    Args:
        plan: of the index, whose empty index is trained.
        number: of the shard; the rows of shard 0 come first in the whole index.
        batches: photo_ids (b,) and vectors (b, d), in the order of their rows in the index.
    """
    index = _load(plan.trained_path)
    with fetched(plan.queries_path) as path, np.load(path) as queries:
        query_ids, query_vectors = queries["photo_ids"], queries["vectors"]
    ids: list[pa.StringArray] = []

    def add_each() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        for photo_ids, vectors in batches:
            rows = np.arange(index.n, index.n + len(vectors))
            index.add(vectors, rows)
            ids.append(photo_ids)
            yield rows, vectors

    rows, scores = top_k(query_vectors, add_each(), plan.k + 1)
    if index.n:
        table = pa.table({"photo_id": pa.chunked_array(ids, pa.string())})
        found = pc.index_in(pa.array(query_ids.tolist(), pa.string()), table["photo_id"])
        own = found.fill_null(-1).to_numpy().astype(np.int64)
        stem = f"{plan.shards}/{number:06d}"
        _save_arrays(f"{stem}.npz", rows=rows, scores=scores, own=own)
        write_file(f"{stem}.parquet", lambda path: pq.write_table(table, path))
        write_file(f"{stem}.faiss", index.save)
    return index.n


def merge_shards(plan: BuildPlan) -> BuildResult:
    """Merges all shards into one index, with the nprobe that reaches the recall.

    The index is held in memory, and the shards are fetched one by one.
    """
    set_threads(len(os.sched_getaffinity(0)))  # this task runs alone
    index = _load(plan.trained_path)
    with fetched(plan.queries_path) as path, np.load(path) as saved:
        queries = saved["vectors"]
    own = np.full(len(queries), -1, dtype=np.int64)
    exact: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    names = [status.path for status in store_files().children(plan.shards)]
    stems = [name.removesuffix(".faiss") for name in names if name.endswith(".faiss")]
    for stem in stems:
        offset = index.n
        index.merge(_load(f"{stem}.faiss"), offset)
        with fetched(f"{stem}.npz") as path, np.load(path) as found:
            exact = [merge_top_k([*exact, (found["rows"] + offset, found["scores"])], plan.k + 1)]
            own = np.where(found["own"] >= 0, found["own"] + offset, own)
    _, scores = drop_self_matches(*exact[0], own)
    with draft_of(plan.result) as draft:
        draft.mkdir()
        _write_ids([f"{stem}.parquet" for stem in stems], draft / IDS_FILE)
        result = _tune(plan, draft, index, queries, own, scores)
        check_files(draft, result.n, plan.dimension)
        replace_folder(draft, plan.result)
    return result


def _write_ids(shards: Iterable[str], path: Path) -> None:
    """Writes the ids of all shards as one table, in row groups of one size."""
    row = 0
    waiting = IDS_SCHEMA.empty_table()
    with pq.ParquetWriter(path, IDS_SCHEMA) as writer:
        for shard in shards:
            with fetched(shard) as local:
                table = pq.read_table(local)
            rows = pa.array(np.arange(row, row + len(table)))
            row += len(table)
            waiting = pa.concat_tables([waiting, table.add_column(0, "row", rows).cast(IDS_SCHEMA)])
            while len(waiting) >= IDS_GROUP_ROWS:
                writer.write_table(waiting.slice(0, IDS_GROUP_ROWS))
                waiting = waiting.slice(IDS_GROUP_ROWS)
        if len(waiting):
            writer.write_table(waiting)


def _tune(
    plan: BuildPlan,
    folder: Path,
    index: IvfIndex,
    queries: NDArray[np.float32],
    own: NDArray[np.int64],
    exact: NDArray[np.float32],
) -> BuildResult:
    """Chooses nprobe, writes the index to `folder`, and returns its description."""
    curve = [RecallPoint(1, 1.0)]  # a single photo has no neighbour to miss
    if exact.size:
        curve = measure_recall(index, queries, own, exact)
    point = choose_point(curve, plan.recall_target)
    index.set_nprobe(point.nprobe)
    index.save(folder / INDEX_FILE)
    return BuildResult(
        n=index.n,
        nlist=index.nlist,
        index_key=index.key,
        nprobe=point.nprobe,
        k=exact.shape[1],
        queries=len(queries),
        recall=point.recall,
        curve=tuple(curve),
        sha256={name: file_sha256(folder / name) for name in (INDEX_FILE, IDS_FILE)},
    )


def _load(path: str) -> IvfIndex:
    with fetched(path) as local:
        return IvfIndex.load(local)


def _save_arrays(path: str, **arrays: NDArray[np.generic]) -> None:
    def write(waiting: Path) -> None:
        with waiting.open("wb") as file:
            np.savez(file, **arrays)

    write_file(path, write)
