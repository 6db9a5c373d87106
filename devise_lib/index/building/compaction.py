"""Compaction: the segments of a bundle become one, without the vectors that are removed.

Rows keep their numbers, so a removed photo leaves a row without a vector. Like a build, it merges
ranges of lists, and no process holds the index.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.index.building.arrays import StoredArray, array_header
from devise_lib.index.building.assembly import (
    ASSEMBLED,
    copy_file,
    copy_rows,
    write_files,
    write_index,
)
from devise_lib.index.building.merging import Run, cut_lists, merge_runs
from devise_lib.index.building.plan import Plan
from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import DIGEST, LIST
from devise_lib.index.building.trained import TrainedIndex
from devise_lib.index.bundle import Bundle, fetch_bundle, read_bundle
from devise_lib.index.factory import ID_BYTES
from devise_lib.index.index_file import IndexFile
from devise_lib.index.manifest import (
    AGAIN,
    BASE,
    DIGESTS_FILE,
    IDS_FILE,
    INDEX_FILE,
    LISTS_FILE,
    REMOVED_FILE,
    TRAINED_FILE,
    Segment,
)
from devise_lib.storage.copies import fetched, write_hashed
from devise_lib.storage.files import file_sha256

ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class CompactionPlan(Plan):
    """What is compacted.

    Attributes:
        bundle: its folder.
        part_bytes: the bytes of inverted lists that a task merges, about.
        code: the versions of FAISS and of this package.
    """

    bundle: str
    part_bytes: int
    code: str


def write_compact_layout(plan: CompactionPlan) -> Product:
    """Counts what stays in each list, and cuts the lists into parts; copies the empty index."""
    bundle, folder = _open(plan)
    for name, about in bundle.manifest.files.items():  # Else damage would get a digest of its own.
        if file_sha256(folder / name) != about.sha256:
            raise InputError(f"{bundle.folder}/{name} was changed since it was published: {AGAIN}")
    trained = write_hashed(
        plan.path(TRAINED_FILE), partial(copy_file, str(folder / BASE / TRAINED_FILE))
    )
    with fetched(plan.path(TRAINED_FILE)) as path:
        code_size = TrainedIndex.load(path).code_size
    removed = _removed(bundle, folder)
    sizes = np.zeros(bundle.manifest.nlist, np.int64)
    for segment in bundle.manifest.segments:
        sizes += IndexFile(folder / segment.name / INDEX_FILE).sizes()
        lists = np.load(folder / segment.name / LISTS_FILE, mmap_mode="r")
        gone = lists[removed[segment.first_row : segment.first_row + segment.rows]]
        sizes -= np.bincount(gone[gone >= 0], minlength=len(sizes))  # -1: is out already
    bounds = cut_lists(sizes * (code_size + ID_BYTES), plan.part_bytes)
    arrays = {"sizes": sizes, "bounds": bounds}
    written = write_hashed(plan.path("layout.npz"), lambda file: np.savez(file, **arrays))
    files = {"layout.npz": written, TRAINED_FILE: trained}
    return plan.finish("layout", files, {"parts": len(bounds) - 1})


def write_compact_part(plan: CompactionPlan, number: int) -> Product:
    """Merges the lists of one part, without the vectors that are removed."""
    bundle, folder = _open(plan)
    removed = _removed(bundle, folder)
    sizes, bounds = _layout(plan)
    first, stop = (int(bound) for bound in bounds[number : number + 2])

    def runs() -> Iterator[Run]:
        for segment in bundle.manifest.segments:
            index = IndexFile(folder / segment.name / INDEX_FILE)
            codes, rows = index.read_lists(first, stop)
            rows += segment.first_row
            kept = ~removed[rows]
            lists = np.repeat(np.arange(stop - first), index.sizes()[first:stop])
            counts = np.bincount(lists[kept], minlength=stop - first)
            codes, rows = codes[kept], rows[kept]
            yield Run(counts, codes, rows)

    return merge_runs(plan, number, sizes[first:stop], runs())


def assemble_compact(plan: CompactionPlan) -> Product:
    """Writes the files of the one segment; its values describe it."""
    bundle, folder = _open(plan)
    segments = bundle.manifest.segments
    sizes, bounds = _layout(plan)
    rows = bundle.manifest.rows
    with fetched(plan.path(TRAINED_FILE)) as path:
        trained = TrainedIndex.load(path)

    def write_refine(file: BinaryIO) -> None:
        removed = _removed(bundle, folder)
        for segment in segments:  # They end an index file, but for four bytes.
            path = folder / segment.name / INDEX_FILE
            begin = path.stat().st_size - 4 - segment.rows * trained.refine_size
            stored = StoredArray(
                str(path), np.dtype(np.uint8), (segment.rows, trained.refine_size), begin
            )
            gone = removed[segment.first_row : segment.first_row + segment.rows]
            for start, stop in _pieces(segment.rows):
                codes = stored.rows(start, stop).copy()
                codes[gone[start:stop]] = 0  # Nothing of a removed photo stays.
                file.write(codes.tobytes())

    def write_ids(file: BinaryIO) -> None:
        stored = [_stored(folder, segment, IDS_FILE) for segment in segments]
        widest = np.dtype(f"S{max(each.dtype.itemsize for each in stored)}")
        file.write(array_header(widest, (rows,)))
        for each in stored:
            for start, stop in _pieces(each.shape[0]):
                file.write(each.rows(start, stop).astype(widest).tobytes())

    def write_lists(file: BinaryIO) -> None:
        removed = _removed(bundle, folder)
        file.write(array_header(LIST, (rows,)))
        for segment in segments:
            lists = _stored(folder, segment, LISTS_FILE)
            gone = removed[segment.first_row : segment.first_row + segment.rows]
            for start, stop in _pieces(segment.rows):
                kept = np.where(gone[start:stop], -1, lists.rows(start, stop))
                file.write(kept.astype(LIST).tobytes())

    def write_digests(file: BinaryIO) -> None:
        file.write(array_header(DIGEST, (rows,)))
        copy_rows([str(folder / segment.name / DIGESTS_FILE) for segment in segments], file)

    written = write_files(
        plan,
        BASE,
        {
            INDEX_FILE: partial(
                write_index, plan, trained, sizes, len(bounds) - 1, rows, write_refine
            ),
            IDS_FILE: write_ids,
            LISTS_FILE: write_lists,
            DIGESTS_FILE: write_digests,
            TRAINED_FILE: partial(copy_file, plan.path(TRAINED_FILE)),
        },
    )
    return plan.finish(ASSEMBLED, written, {})


def compact_segment(bundle: Bundle) -> Segment:
    """Returns the one segment of a compacted bundle."""
    manifest = bundle.manifest
    return Segment(
        name=BASE,
        first_row=0,
        rows=manifest.rows,
        listed=manifest.n,
        table_version=manifest.table_version,
        # Of the photos that trained the centroids: what drifts is compared with them for ever.
        imbalance=manifest.segments[0].imbalance,
        residuals=tuple(each for segment in manifest.segments for each in segment.residuals),
        sections=tuple(
            segment.first_row + start for segment in manifest.segments for start in segment.sections
        ),
    )


def _stored(folder: Path, segment: Segment, name: str) -> StoredArray:
    return StoredArray.open(str(folder / segment.name / name))


def _pieces(rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, ROWS_AT_ONCE):
        yield start, min(start + ROWS_AT_ONCE, rows)


def _open(plan: CompactionPlan) -> tuple[Bundle, Path]:
    bundle = read_bundle(plan.bundle)
    return bundle, fetch_bundle(bundle)


def _layout(plan: CompactionPlan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    with fetched(plan.path("layout.npz")) as path, np.load(path) as saved:
        return saved["sizes"], saved["bounds"]


def _removed(bundle: Bundle, folder: Path) -> NDArray[np.bool_]:
    """Returns which rows of the bundle are removed."""
    removed = np.zeros(bundle.manifest.rows, np.bool_)
    if bundle.manifest.removed:
        removed[np.load(folder / REMOVED_FILE)] = True
    return removed
