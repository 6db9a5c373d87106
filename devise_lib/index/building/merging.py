"""Merging: the inverted lists of all shards become one index file, and no process holds it.

A task merges one range of lists: it reads only their rows of each shard. The parts follow one
another in the index file, so the last step copies them in order.

Source: the layout of FAISS's index files (index_write.cpp); the idea of merging by ranges of lists
is that of faiss/contrib/ondisk.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.building.arrays import StoredArray
from devise_lib.index.building.plan import BuildPlan, Plan, finished_shards, part_name, shard_name
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import (
    CODES,
    ROWS,
    SIZES,
)
from devise_lib.index.building.trained import TrainedIndex
from devise_lib.index.factory import ID_BYTES
from devise_lib.index.manifest import (
    TRAINED_FILE,
)
from devise_lib.storage.copies import fetched, write_hashed

LAYOUT = "layout"


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
    return plan.finish(LAYOUT, {"layout.npz": written}, values)


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
        for shard, ((start, end), offset) in enumerate(
            zip(layout.starts[:, number : number + 2], layout.offsets, strict=True)
        ):
            if start < end:  # The layout has read the markers of the shards.
                name = plan.path(shard_name(shard))
                sizes = StoredArray.open(f"{name}{SIZES}").rows(first, stop)
                codes = StoredArray.open(f"{name}{CODES}").rows(int(start), int(end))
                rows = StoredArray.open(f"{name}{ROWS}").rows(int(start), int(end))
                yield Run(sizes, codes, rows.astype(np.int64) + offset)

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


def _spread(place: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the targets of vectors that come list by list, `lengths` of each, from `place` on."""
    begins = np.cumsum(lengths) - lengths
    return np.repeat(place - begins, lengths) + np.arange(int(lengths.sum()))
