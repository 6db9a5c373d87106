"""The last step of a build: one index file from its parts, and the arrays of its rows."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from devise_lib.index.building.arrays import StoredArray, array_header
from devise_lib.index.building.merging import read_layout
from devise_lib.index.building.plan import BuildPlan, Plan, finished_shards, part_name
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import DIGEST, DIGESTS, IDS, LIST, LISTS, REFINE
from devise_lib.index.building.trained import TrainedIndex
from devise_lib.index.index_file import imbalance_of
from devise_lib.index.manifest import (
    BASE,
    DIGESTS_FILE,
    IDS_FILE,
    INDEX_FILE,
    LISTS_FILE,
    TRAINED_FILE,
)
from devise_lib.storage.copies import WrittenFile, fetched, write_hashed
from devise_lib.storage.stores import store_files

COPY_BYTES = 8 * 2**20
BUNDLE = "bundle"  # the folder of what is published
ASSEMBLED = "assembled"  # the step


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
    if start < stop:
        raise OSError(f"{path} ends {stop - start} bytes before it should")


def copy_rows(paths: Iterable[str], target: BinaryIO) -> None:
    """Writes the rows of arrays, one array after the other, without their headers."""
    for path in paths:
        copy_file(path, target, StoredArray.open(path).offset)
