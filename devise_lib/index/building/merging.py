"""Merging: the inverted lists of all shards become one index file, and no process holds it.

A task merges one range of lists: it reads only their rows of each shard. The parts follow one
another in the index file, so the last step copies them in order.

Source: the layout of FAISS's index files (index_write.cpp); the idea of merging by ranges of lists
is that of faiss/contrib/ondisk.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.building.arrays import StoredArray, array_header
from devise_lib.index.building.plan import BuildPlan, finished_shards, part_name
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import (
    CODES,
    DIGEST,
    DIGESTS,
    EXACT_ROWS,
    EXACT_SCORES,
    IDS,
    LIST,
    LISTS,
    OWN,
    REFINE,
    ROWS,
    SIZES,
)
from devise_lib.index.building.trained import TrainedIndex
from devise_lib.index.factory import ID_BYTES
from devise_lib.index.manifest import DIGESTS_FILE, IDS_FILE, INDEX_FILE, LISTS_FILE
from devise_lib.numerics.retrieval import drop_self_matches, merge_top_k
from devise_lib.storage.copies import fetched, write_hashed
from devise_lib.storage.stores import store_files

COPY_BYTES = 8 * 2**20
BUNDLE = "bundle"  # the folder of what is published


@dataclass(frozen=True)
class Layout:
    """Which lists make which part of the index file.

    Attributes:
        sizes: (nlist,), the vectors of each list.
        bounds: (parts + 1,), the first list of each part, and nlist.
        starts: (shards, parts + 1), the row in each shard's codes at which a part begins.
        offsets: (shards,), the first row of each shard in the whole index.
        n: the number of vectors.
    """

    sizes: NDArray[np.int64]
    bounds: NDArray[np.int64]
    starts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    n: int

    @property
    def parts(self) -> int:
        """The number of parts."""
        return len(self.bounds) - 1

    @property
    def imbalance(self) -> float:
        """How unequal the lists are: nlist times the sum of the squared shares; 1 if all are equal.

        A search takes this many times as long as with equal lists.
        """
        if not self.n:
            return 1.0
        shares = self.sizes / self.n
        return float(len(self.sizes) * np.square(shares).sum())


def write_layout(plan: BuildPlan) -> Product:
    """Adds up the lists of all shards, and cuts them into parts of about `plan.part_bytes`."""
    shards = finished_shards(plan)
    with fetched(plan.path("trained.npz")) as path:
        code_size = TrainedIndex.load(path).code_size
    nlist = plan.index_key.nlist
    total = np.zeros(nlist, np.int64)
    for shard in shards:
        total += StoredArray.open(shard.path(SIZES)).rows(0, nlist)
    bounds = cut_lists(total * (code_size + ID_BYTES), plan.part_bytes)
    starts = np.zeros((len(shards), len(bounds)), np.int64)
    for row, shard in zip(starts, shards, strict=True):
        sizes = StoredArray.open(shard.path(SIZES)).rows(0, nlist)
        row[:] = np.concatenate([[0], np.cumsum(sizes)])[bounds]
    counts = np.array([shard.values["rows"] for shard in shards], np.int64)
    arrays = {
        "sizes": total,
        "bounds": bounds,
        "starts": starts,
        "offsets": np.cumsum(counts) - counts,
        "n": np.array(counts.sum()),
    }
    written = write_hashed(plan.path("layout.npz"), lambda file: np.savez(file, **arrays))
    values = {"parts": len(bounds) - 1, "n": int(counts.sum())}
    return plan.finish("layout", {"layout.npz": written}, values)


def read_layout(plan: BuildPlan) -> Layout:
    """Reads what `write_layout` wrote."""
    with fetched(plan.path("layout.npz")) as path, np.load(path) as saved:
        values = {name: saved[name] for name in saved.files}
    return Layout(**{**values, "n": int(values["n"])})


def cut_lists(sizes: NDArray[np.int64], part_bytes: int) -> NDArray[np.int64]:
    """Cuts lists into ranges of at most `part_bytes`, or of a single list that is larger.

    Args:
        sizes: (nlist,), in bytes.
        part_bytes: at least 1.

    Returns:
        (parts + 1,), the first list of each range, and nlist.
    """
    ends = np.cumsum(sizes)
    bounds, before = [0], 0
    while bounds[-1] < len(sizes):
        stop = int(np.searchsorted(ends, before + part_bytes, side="right"))
        bounds.append(min(max(stop, bounds[-1] + 1), len(sizes)))
        before = int(ends[bounds[-1] - 1])
    return np.array(bounds, np.int64)


def write_part(plan: BuildPlan, number: int) -> Product:
    """Merges the lists of one part; holds that part in memory twice at most."""
    layout = read_layout(plan)
    shards = finished_shards(plan)
    with fetched(plan.path("trained.npz")) as path:
        trained = TrainedIndex.load(path)
    first, stop = (int(bound) for bound in layout.bounds[number : number + 2])
    sizes = layout.sizes[first:stop]
    count = int(sizes.sum())
    codes = np.empty((count, trained.code_size), np.uint8)
    rows = np.empty(count, np.int64)
    # Where the next vector of each list goes: the lists of shard 0 come first.
    place = np.cumsum(sizes) - sizes
    for shard, (start, end), offset in zip(
        shards, layout.starts[:, number : number + 2], layout.offsets, strict=True
    ):
        if start == end:
            continue
        lengths = StoredArray.open(shard.path(SIZES)).rows(first, stop)
        target = _spread(place, lengths)
        codes[target] = StoredArray.open(shard.path(CODES)).rows(int(start), int(end))
        rows[target] = StoredArray.open(shard.path(ROWS)).rows(int(start), int(end))
        rows[target] += offset
        place += lengths

    def write(file: BinaryIO) -> None:
        begin = 0
        for size, packed in zip(sizes, trained.pack(sizes, codes), strict=True):
            for piece in trained.list_bytes(packed, rows[begin : begin + size]):
                file.write(piece)
            begin += size

    name = part_name(number)
    written = write_hashed(plan.path(f"{name}.lists"), write)
    return plan.finish(name, {f"{name}.lists": written}, {})


def assemble(plan: BuildPlan) -> Product:
    """Writes the index file and the ids from the parts and the shards, a few MiB at a time.

    Returns:
        The files; its values are the number of vectors `n`, and the `imbalance` of the lists.
    """
    layout = read_layout(plan)
    shards = finished_shards(plan)
    with fetched(plan.path("trained.npz")) as path:
        trained = TrainedIndex.load(path)
    frame = trained.frame(layout.n)

    def write_index(file: BinaryIO) -> None:
        file.write(frame.head)
        file.write(trained.lists_head(layout.sizes))
        for number in range(layout.parts):
            _copy_file(plan.path(f"{part_name(number)}.lists"), file)
        file.write(frame.middle)
        if trained.refine_size:
            _copy_rows([shard.path(REFINE) for shard in shards], file)
        file.write(frame.tail)

    def write_rows(end: str, dtype: np.dtype[np.generic], file: BinaryIO) -> None:
        file.write(array_header(dtype, (layout.n,)))
        _copy_rows([shard.path(end) for shard in shards], file)

    files: dict[str, Callable[[BinaryIO], object]] = {
        INDEX_FILE: write_index,
        IDS_FILE: partial(write_rows, IDS, np.dtype(f"S{plan.id_bytes}")),
        LISTS_FILE: partial(write_rows, LISTS, LIST),
        DIGESTS_FILE: partial(write_rows, DIGESTS, DIGEST),
    }
    paths = {name: f"{BUNDLE}/{plan.segment}/{name}" for name in files}
    written = {paths[name]: write_hashed(plan.path(paths[name]), files[name]) for name in files}
    values = {"n": layout.n, "imbalance": layout.imbalance}
    return plan.finish("assembled", written, values)


@dataclass(frozen=True)
class Truth:
    """The exact results of the queries.

    Attributes:
        rows, scores: (q, k), falling; a query is not among its own results. k is less than the
            plan's where the index holds fewer other vectors.
        own: (q,), the row of each query; -1 for one that is not indexed.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    own: NDArray[np.int64]


def read_truth(plan: BuildPlan) -> Truth:
    """Merges the exact results of all shards."""
    best: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    own: NDArray[Any] = np.array(-1)
    offset = 0
    for shard in finished_shards(plan):
        found = {end: _whole(shard.path(end)) for end in (EXACT_ROWS, EXACT_SCORES, OWN)}
        own = np.maximum(own, np.where(found[OWN] >= 0, found[OWN] + offset, -1))
        best = [merge_top_k([*best, (found[EXACT_ROWS] + offset, found[EXACT_SCORES])], plan.k + 1)]
        offset += int(shard.values["rows"])
    rows, scores = drop_self_matches(*best[0], own)
    return Truth(rows, scores, own)


def _spread(place: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the targets of vectors that come list by list, `lengths` of each, from `place` on."""
    begins = np.cumsum(lengths) - lengths
    targets: NDArray[np.int64] = np.repeat(place - begins, lengths) + np.arange(lengths.sum())
    return targets


def _whole(path: str) -> NDArray[Any]:
    stored = StoredArray.open(path)
    return stored.rows(0, stored.shape[0])


def _copy_file(path: str, target: BinaryIO, start: int = 0) -> None:
    status = store_files().status(path)
    if status is None:
        raise FileNotFoundError(path)
    with store_files().open_range(path, start, status.size) as file:
        while chunk := file.read(COPY_BYTES):
            target.write(chunk)


def _copy_rows(paths: Iterable[str], target: BinaryIO) -> None:
    for path in paths:
        _copy_file(path, target, StoredArray.open(path).offset)
