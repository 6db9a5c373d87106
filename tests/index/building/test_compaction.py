import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.index.building.compaction import (
    CompactionPlan,
    assemble_compact,
    compact_segment,
    write_compact_layout,
    write_compact_part,
)
from devise_lib.index.bundle import read_bundle
from devise_lib.index.index_file import IndexFile
from devise_lib.index.reader import SearchIndex
from devise_lib.index.verify import verify_folder
from tests.index.built import (
    Built,
    best_rows,
    build_bundle,
    build_files,
    digests_of,
    names,
    photos,
    plan_in,
    write_manifest,
)

QUERIES = photos(8, 1_000)
SIZES, ROWS = (120, 1, 40), 161
REMOVED = (0, 7, 119, 120, 121, 160)
KEYS = ("IVF8,Flat", "PCA16,IVF8_HNSW8,PQ4x4fsr,RFlat", "IVF8,SQ8,Refine(SQfp16)")
ALL = pytest.mark.parametrize("key", KEYS)


def compacted(built: Built, folder: Path, part_bytes: int = 1_500) -> Built:
    """A bundle with the segments of another one folded."""
    plan = CompactionPlan(str(folder / "build"), str(built.folder), part_bytes, "code")
    for number in range(write_compact_layout(plan).values["parts"]):
        write_compact_part(plan, number)
    assembled = assemble_compact(plan)
    assert assembled.is_whole()
    target = Path(shutil.move(folder / "build" / "bundle", folder / "bundle"))
    if built.manifest.removed:
        shutil.copy(built.folder / "removed.npy", target)
    segment = compact_segment(read_bundle(str(built.folder)))
    manifest = replace(built.manifest, segments=(segment,), files=digests_of(target))
    write_manifest(target, manifest)
    return replace(built, folder=target, manifest=manifest)


def with_removed(built: Built, folder: Path, removed) -> Built:
    """A copy of a bundle from which more rows are removed."""
    shutil.copytree(built.folder, folder)
    (folder / "manifest.json").unlink()
    (folder / "README.md").unlink()
    np.save(folder / "removed.npy", np.array(sorted(removed), np.int64))
    manifest = replace(
        built.manifest, removed=len(removed), n=ROWS - len(removed), files=digests_of(folder)
    )
    write_manifest(folder, manifest)
    return replace(built, folder=folder, manifest=manifest)


def assert_holds(built: Built, removed) -> None:
    """The bundle finds all rows but the removed ones, and only these are in its lists."""
    verify_folder(built.folder, "x")
    index = SearchIndex.open(built.folder)
    left = sorted(set(range(ROWS)) - set(removed))
    found = index.search(QUERIES, len(left))
    assert (np.sort(found.rows, axis=1) == left).all()
    assert [index.row_of(built.ids[row]) for row in left] == left
    assert not any(index.row_of(built.ids[row]) for row in removed)
    file = IndexFile(built.folder / "base" / "index.faiss")
    assert (file.n, file.listed()) == (ROWS, len(left))
    assert sorted(file.read_lists(0, file.nlist)[1].tolist()) == left
    for row in left[::20]:
        assert float(index.vector_of(row) @ built.vectors[row]) > 0.99


@ALL
def test_a_compacted_bundle_finds_what_the_segments_found(tmp_path, key):
    built = build_bundle(tmp_path / "before", key, SIZES, REMOVED)
    after = compacted(built, tmp_path / "after")
    assert_holds(after, REMOVED)
    before, found = (SearchIndex.open(each.folder).search(QUERIES, 9) for each in (built, after))
    assert found.rows.tolist() == before.rows.tolist()
    np.testing.assert_allclose(found.scores, before.scores, atol=1e-6)
    if key == "IVF8,Flat":
        left = set(range(ROWS)) - set(REMOVED)
        assert found.rows.tolist() == best_rows(built.vectors, QUERIES, 9, left).tolist()


@ALL
def test_a_bundle_is_compacted_again_after_more_was_removed(tmp_path, key):
    built = build_bundle(tmp_path / "before", key, SIZES, REMOVED)
    once = compacted(built, tmp_path / "once")
    removed = sorted({*REMOVED, 3, 50, 130})
    more = with_removed(once, tmp_path / "more", removed)
    assert_holds(compacted(more, tmp_path / "twice"), removed)


@pytest.mark.parametrize("key", ["IVF8,SQ8", "IVF8,PQ8x4fsr", "IVF8,PQ4x4,RFlat"])
def test_segments_without_a_removed_row_become_the_index_of_all(tmp_path, key):
    built = build_bundle(tmp_path / "before", key, SIZES)
    after = compacted(built, tmp_path / "after")
    plan = plan_in(tmp_path / "whole", key)
    build_files(plan, names(ROWS), built.vectors, [60])
    for name in ("index.faiss", "lists.npy"):
        wanted = tmp_path / "whole" / "bundle" / "base" / name
        assert (after.folder / "base" / name).read_bytes() == wanted.read_bytes()


def test_the_size_of_parts_does_not_change_the_index(tmp_path):
    built = build_bundle(tmp_path / "before", "IVF8,PQ8x4fsr", SIZES, REMOVED)
    contents = {
        (compacted(built, tmp_path / str(size), size).folder / "base" / "index.faiss").read_bytes()
        for size in (1, 700, 10**9)
    }
    assert len(contents) == 1


def test_the_segment_keeps_the_runs_of_rows_and_their_residual(tmp_path):
    built = build_bundle(tmp_path / "before", "IVF8,SQ8", SIZES, REMOVED)
    [segment] = compacted(built, tmp_path / "after").manifest.segments
    assert segment.sections == (0, 120, 121)
    assert (segment.rows, segment.listed, segment.first_row) == (ROWS, ROWS - len(REMOVED), 0)
    assert segment.residuals == (0.3, 0.3, 0.3)


def test_a_row_without_a_vector_cannot_be_decoded(tmp_path):
    built = build_bundle(tmp_path / "before", "IVF8,SQ8", SIZES, REMOVED)
    index = SearchIndex.open(compacted(built, tmp_path / "after").folder)
    with pytest.raises(InputError):
        index.vector_of(REMOVED[1])


def test_digests_and_ids_of_all_rows_stay(tmp_path):
    built = build_bundle(tmp_path / "before", "IVF8,SQ8", SIZES, REMOVED)
    after = compacted(built, tmp_path / "after")
    for name in ("ids.npy", "digests.npy"):
        parts = [np.load(built.folder / s.name / name) for s in built.manifest.segments]
        assert np.load(after.folder / "base" / name).tolist() == np.concatenate(parts).tolist()
    lists = np.load(after.folder / "base" / "lists.npy")
    assert np.flatnonzero(lists < 0).tolist() == list(REMOVED)


def test_a_bundle_that_was_changed_is_not_compacted(tmp_path):
    """Else the damage would get a digest of its own."""
    built = build_bundle(tmp_path / "b", sizes=(60, 20))
    path = built.folder / "base" / "index.faiss"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"base/index\.faiss was changed since it was published"):
        compacted(built, tmp_path)
