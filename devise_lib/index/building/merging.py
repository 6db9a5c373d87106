"""Merging: the inverted lists of all shards become one index file, and no process holds it.

A task merges one range of lists: it reads only their rows of each shard. The parts follow one
another in the index file, so the last step copies them in order.

Source: the layout of FAISS's index files (index_write.cpp); the idea of merging by ranges of lists
is that of faiss/contrib/ondisk.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.building.arrays import StoredArray, array_header
from devise_lib.index.building.plan import BuildPlan, Plan, finished_shards, part_name
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
from devise_lib.index.index_file import imbalance_of
from devise_lib.index.manifest import (
    BASE,
    DIGESTS_FILE,
    IDS_FILE,
    INDEX_FILE,
    LISTS_FILE,
    TRAINED_FILE,
)
from devise_lib.numerics.retrieval import drop_self_matches, merge_top_k
from devise_lib.storage.copies import WrittenFile, fetched, write_hashed
from devise_lib.storage.stores import store_files

COPY_BYTES = 8 * 2**20
BUNDLE = "bundle"  # the folder of what is published
ASSEMBLED = "assembled"


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


def write_layout(plan: BuildPlan) -> Product:
    """Adds up the lists of all shards, and cuts them into parts of about `plan.part_bytes`."""
    shards = finished_shards(plan)
    with fetched(plan.path(TRAINED_FILE)) as path:
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
    first, stop = (int(bound) for bound in layout.bounds[number : number + 2])

    def runs() -> Iterator[Run]:
        for shard, (start, end), offset in zip(
            finished_shards(plan),
            layout.starts[:, number : number + 2],
            layout.offsets,
            strict=True,
        ):
            if start < end:
                sizes = StoredArray.open(shard.path(SIZES)).rows(first, stop)
                codes = StoredArray.open(shard.path(CODES)).rows(int(start), int(end))
                rows = StoredArray.open(shard.path(ROWS)).rows(int(start), int(end))
                yield Run(sizes, codes, rows + offset)

    return merge_runs(plan, number, layout.sizes[first:stop], runs())


@dataclass(frozen=True)
class Run:
    """The vectors of one source in a range of m lists, list by list.

    Attributes:
        sizes: (m,), the vectors of each list.
        codes: (n, code_size).
        rows: (n,), in the whole index.
    """

    sizes: NDArray[np.int64]
    codes: NDArray[np.uint8]
    rows: NDArray[np.int64]


def merge_runs(plan: Plan, number: int, sizes: NDArray[np.int64], runs: Iterable[Run]) -> Product:
    """Writes one part of the index file: each list has the vectors of all sources, in their order.

    Args:
        plan: whose folder has the trained index.
        number: of the part.
        sizes: (m,), the vectors of each list in all sources.
        runs: of the sources.
    """
    with fetched(plan.path(TRAINED_FILE)) as path:
        trained = TrainedIndex.load(path)
    count = int(sizes.sum())
    codes = np.empty((count, trained.code_size), np.uint8)
    rows = np.empty(count, np.int64)
    place = np.cumsum(sizes) - sizes  # where the next vector of each list goes
    for run in runs:
        target = _spread(place, run.sizes)
        codes[target], rows[target] = run.codes, run.rows
        place += run.sizes

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
        The files; its values are the number of vectors `n`, the `imbalance` of the lists and the
        mean `residual`, 1 - cosine, of vectors and centroids.
    """
    layout = read_layout(plan)
    shards = finished_shards(plan)
    with fetched(plan.path(TRAINED_FILE)) as path:
        trained = TrainedIndex.load(path)

    def write_refine(file: BinaryIO) -> None:
        copy_rows([shard.path(REFINE) for shard in shards], file)

    def write_rows(end: str, dtype: np.dtype[np.generic], file: BinaryIO) -> None:
        file.write(array_header(dtype, (layout.n,)))
        copy_rows([shard.path(end) for shard in shards], file)

    files: dict[str, Callable[[BinaryIO], object]] = {
        INDEX_FILE: partial(
            write_index, plan, trained, layout.sizes, layout.parts, layout.n, write_refine
        ),
        IDS_FILE: partial(write_rows, IDS, np.dtype(f"S{plan.id_bytes}")),
        LISTS_FILE: partial(write_rows, LISTS, LIST),
        DIGESTS_FILE: partial(write_rows, DIGESTS, DIGEST),
    }
    if plan.segment == BASE:
        files[TRAINED_FILE] = partial(copy_file, plan.path(TRAINED_FILE))
    written = write_files(plan, plan.segment, files)
    residual = sum(shard.values["residual"] for shard in shards)
    values = {
        "n": layout.n,
        "imbalance": imbalance_of(layout.sizes),
        "residual": residual / max(layout.n, 1),
    }
    return plan.finish(ASSEMBLED, written, values)


def write_index(
    plan: Plan,
    trained: TrainedIndex,
    sizes: NDArray[np.int64],
    parts: int,
    rows: int,
    write_refine: Callable[[BinaryIO], object],
    file: BinaryIO,
) -> None:
    """Writes an index file from its parts, a few MiB at a time.

    Args:
        plan: whose folder has the parts.
        trained: the empty index.
        sizes: (nlist,), the vectors of each list.
        parts: their number.
        rows: the number of rows.
        write_refine: writes the codes that rank anew, in the order of rows.
        file: to write.
    """
    frame = trained.frame(rows)
    file.write(frame.head)
    file.write(trained.lists_head(sizes))
    for number in range(parts):
        copy_file(plan.path(f"{part_name(number)}.lists"), file)
    file.write(frame.middle)
    if trained.refine_size:
        write_refine(file)
    file.write(frame.tail)


def write_files(
    plan: Plan, segment: str, files: Mapping[str, Callable[[BinaryIO], object]]
) -> dict[str, WrittenFile]:
    """Writes the files of a segment of the bundle; returns them by their paths in the plan."""
    paths = {name: f"{BUNDLE}/{segment}/{name}" for name in files}
    return {paths[name]: write_hashed(plan.path(paths[name]), files[name]) for name in files}


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
    owns = []
    offset = 0
    for shard in finished_shards(plan):
        found = {end: _whole(shard.path(end)) for end in (EXACT_ROWS, EXACT_SCORES, OWN)}
        owns.append(np.where(found[OWN] >= 0, found[OWN] + offset, -1))
        best = [merge_top_k([*best, (found[EXACT_ROWS] + offset, found[EXACT_SCORES])], plan.k + 1)]
        offset += int(shard.values["rows"])
    own = np.max(owns, axis=0)  # Each query is in one shard.
    rows, scores = drop_self_matches(*best[0], own)
    return Truth(rows, scores, own)


def _spread(place: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the targets of vectors that come list by list, `lengths` of each, from `place` on."""
    begins = np.cumsum(lengths) - lengths
    return np.repeat(place - begins, lengths) + np.arange(int(lengths.sum()))


def _whole(path: str) -> NDArray[Any]:
    stored = StoredArray.open(path)
    return stored.rows(0, stored.shape[0])


def copy_file(path: str, target: BinaryIO, start: int = 0, stop: int | None = None) -> None:
    """Writes the bytes of a file from start up to stop, or up to its end, a few MiB at a time."""
    if stop is None:
        status = store_files().status(path)
        if status is None:
            raise FileNotFoundError(path)
        stop = status.size
    with store_files().open_range(path, start, stop) as file:
        while start < stop and (chunk := file.read(min(COPY_BYTES, stop - start))):
            target.write(chunk)
            start += len(chunk)


def copy_rows(paths: Iterable[str], target: BinaryIO) -> None:
    """Writes the rows of arrays, one array after the other, without their headers."""
    for path in paths:
        copy_file(path, target, StoredArray.open(path).offset)
