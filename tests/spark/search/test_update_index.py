"""An index that is kept up to date. Spark compares EMBEDDINGS with it and encodes new rows."""

from datetime import datetime

import numpy as np
import pytest

from devise_lib.config.search import BuildIndex
from devise_lib.errors import InputError
from devise_lib.index.building.drift import what_is_due
from devise_lib.index.bundle import read_current, verify
from devise_lib.numerics.retrieval import top_k
from devise_lib.spark.search import update_index
from devise_lib.spark.search.build_index import build_bundle
from devise_lib.spark.search.compact_index import compact_bundle
from devise_lib.spark.search.update_index import update_bundle
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS
from tests.embedded import MODEL, as_rows, clustered, names, write_embeddings
from tests.rows import read_rows, row_of

pytestmark = pytest.mark.spark

N, NEW, GONE, K = 2000, 200, 100, 10
VECTORS = clustered(N + 2 * NEW, d=24, clusters=50)
IDS = np.array(names(N + 2 * NEW))
CHANGED = slice(GONE, GONE + 20)  # photos that were embedded again
KEYS = ["IVF40,SQfp16", "RR24,IVF30_HNSW8,PQ8x4fsr,RFlat"]


def rows_of(places, vectors=VECTORS, digest="0"):
    rows = as_rows(vectors[places], photo_ids=IDS[places].tolist())
    return [(*row[:4], digest * 64, *row[5:]) for row in rows]


def recall(index, vectors, ids, settings=None):
    """Against exact search among the photos of these ids."""
    queries = vectors[::10]
    exact, _ = top_k(queries, vectors, K)
    found = index.photo_ids(index.search(queries, K, settings).rows)
    pairs = zip(found, ids[exact], strict=True)
    return np.mean([len(set(a) & set(b)) / K for a, b in pairs]), set(found.ravel())


class Work:
    """A work folder with an index, and what EMBEDDINGS should hold."""

    def __init__(self, spark, folder, key):
        values = {"k": K, "queries": 200, "recall_target": 0.9, "index_key": key}
        self.config = BuildIndex(work_dir=str(folder), **values)
        self.spark, self.tables = spark, Tables.of(spark, self.config)

    def write(self, *parts):
        write_embeddings(self.spark, self.config, [row for part in parts for row in part])

    def do(self, work, **changes):
        config = self.config.model_copy(update=changes)
        return work(self.tables, config, MODEL, "run")


@pytest.mark.parametrize("key", KEYS)
def test_an_updated_index_finds_what_a_new_one_finds(spark, tmp_path, key):
    """10 % of the photos are new, 5 % are gone, and 1 % have another embedding."""
    work = Work(spark, tmp_path, key)
    work.write(rows_of(slice(0, N)))
    work.do(build_bundle)
    moved = VECTORS.copy()
    moved[CHANGED] = VECTORS[N + NEW : N + NEW + 20]
    now = slice(GONE, N + NEW)
    work.write(rows_of(slice(CHANGED.stop, N + NEW)), rows_of(CHANGED, vectors=moved, digest="1"))
    updated = work.do(update_bundle)
    verify(updated)
    made = updated.manifest
    assert (made.n, made.removed) == (N - GONE + NEW, GONE + 20)
    assert [segment.rows for segment in made.segments] == [N, NEW + 20]
    assert made.drift["added_share"] == pytest.approx(220 / 2220)
    assert 0.8 <= made.drift["fresh_recall"] <= 1

    config = BuildIndex(**{**work.config.model_dump(), "work_dir": str(tmp_path / "fresh")})
    work.tables.read("embeddings").write.format("delta").save(f"{tmp_path}/fresh/tables/embeddings")
    rebuilt = build_bundle(Tables.of(spark, config), config, MODEL, "run")
    wanted, _ = recall(rebuilt.open(), moved[now], IDS[now], made.settings)
    found, ids = recall(updated.open(), moved[now], IDS[now])
    assert found >= wanted - 0.01
    assert not ids & set(IDS[:GONE])

    compacted = work.do(compact_bundle)
    verify(compacted)
    [segment] = compacted.manifest.segments
    assert (segment.rows, segment.listed, compacted.manifest.n) == (2220, made.n, made.n)
    folded, ids = recall(compacted.open(), moved[now], IDS[now])
    assert folded >= wanted - 0.01
    assert not ids & set(IDS[:GONE])


def test_an_index_goes_on_after_it_was_folded(spark, tmp_path, capsys):
    """Fold, add, remove and fold again: rows keep their numbers, and nothing comes back."""
    work = Work(spark, tmp_path, "IVF10,SQ8")
    work.write(rows_of(slice(0, 300)))
    first = work.do(update_bundle)  # There is no index yet, so one is built.
    assert [segment.name for segment in first.manifest.segments] == ["base"]
    assert work.do(update_bundle) == first
    assert "0 photos to add, 0 to take out" in capsys.readouterr().out
    assert work.do(compact_bundle) == first
    assert "has nothing to fold" in capsys.readouterr().out
    row = first.open().row_of(IDS[250])

    for start, stop in [(50, 350), (100, 360), (120, 360)]:  # more than a tenth, and less
        work.write(rows_of(slice(start, stop)))
        updated = work.do(update_bundle, keep_bundles=10).manifest
        due = what_is_due(updated, updated.drift)
        assert updated.due == due.mode
        said = f"the next run wants mode = {due.mode}: {due.reason}"
        assert (said in capsys.readouterr().out) == bool(due.mode)
        bundle = work.do(compact_bundle, keep_bundles=10)
        assert bundle.manifest.drift == {**updated.drift, "removed_share": 0.0}
        assert bundle.manifest.due == ("rebuild" if due.mode == "rebuild" else "")
        verify(bundle)
        index = bundle.open()
        every = index.search_all(VECTORS[start:stop], 1)
        assert index.photo_ids(every.rows)[:, 0].tolist() == IDS[start:stop].tolist()
        assert index.row_of(IDS[250]) == row
        assert [index.row_of(name) for name in IDS[:start]] == [None] * start
    assert (bundle.manifest.n, bundle.manifest.removed, bundle.manifest.rows) == (240, 120, 360)
    assert bundle.manifest.segments[0].sections == (0, 300, 350)
    verify(first)  # is as it was


def test_the_index_of_another_model_is_not_touched(spark, tmp_path):
    work = Work(spark, tmp_path, "auto")
    work.write(rows_of(slice(0, 20)))
    built = work.do(build_bundle)
    for job in (update_bundle, compact_bundle):
        with pytest.raises(InputError, match="is of model devise-v1, and devise-v2 was asked for"):
            job(work.tables, work.config, "devise-v2", "run")
    assert read_current(work.config.work_dir) == built


def test_a_photo_that_lost_its_vector_is_taken_out_and_quarantined(spark, tmp_path):
    work = Work(spark, tmp_path, "auto")
    work.write(rows_of(slice(0, 40)))
    work.do(build_bundle)
    broken = rows_of(slice(0, 1), vectors=np.full_like(VECTORS, np.nan), digest="1")
    work.write(rows_of(slice(1, 40)), broken)
    bundle = work.do(update_bundle)
    assert (bundle.manifest.n, bundle.manifest.rejected) == (39, {"not_finite": 1})
    assert len(bundle.manifest.segments) == 1
    assert bundle.open().row_of(IDS[0]) is None
    assert work.do(update_bundle) == bundle


def test_photos_that_are_gone_from_their_source_are_not_in_the_index(spark, tmp_path):
    """PHOTOS marks them, and EMBEDDINGS still has them. What counts is the last revision."""
    work = Work(spark, tmp_path, "auto")
    work.write(rows_of(slice(0, 40)))

    def mark(gone, back=()):
        removed = dict.fromkeys(gone, datetime(2026, 1, 1))
        rows = [(name, 1, removed.get(name)) for name in IDS[:40].tolist()]
        rows += [(name, 1, datetime(2026, 1, 1)) for name in back]
        rows += [(name, 2, None) for name in back]
        photos = [row_of(PHOTOS, photo_id=i, revision=r, removed=at) for i, r, at in rows]
        work.tables.overwrite("photos", spark.createDataFrame(photos, PHOTOS))

    def found(bundle):
        verify(bundle)
        index = bundle.open()
        return {name for name in IDS[:40] if index.row_of(name) is not None}

    mark([])
    assert found(work.do(build_bundle)) == set(IDS[:40])
    mark(IDS[:3].tolist())
    assert found(work.do(update_bundle)) == set(IDS[3:40])
    mark(IDS[1:4].tolist(), back=IDS[:1].tolist())
    assert found(work.do(update_bundle)) == {IDS[0], *IDS[4:40]}
    made = work.do(build_bundle)
    assert found(made) == {IDS[0], *IDS[4:40]}
    assert made.manifest.n == 37


def test_an_update_that_was_broken_off_goes_on(spark, tmp_path, monkeypatch):
    """It ends before the publication; its trained index is lost, and its queries are cut short."""
    work = Work(spark, tmp_path, "IVF4,SQ8")
    work.write(rows_of(slice(0, 40)))
    work.do(build_bundle)
    work.write(rows_of(slice(0, 90)))

    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(update_index, "publish_next", fails)
    with pytest.raises(OSError, match="the disk is full"):
        work.do(update_bundle)
    monkeypatch.undo()
    [draft] = (tmp_path / "index").glob(".update-*")
    (draft / "trained.json").unlink()
    queries = draft / "seeds.queries.npz"
    queries.write_bytes(queries.read_bytes()[:-9])
    bundle = work.do(update_bundle)
    verify(bundle)
    assert bundle.manifest.n == 90
    assert not draft.exists()


def test_an_index_is_not_updated_to_nothing(spark, tmp_path):
    work = Work(spark, tmp_path, "auto")
    work.write(rows_of(slice(0, 20)))
    built = work.do(build_bundle)
    work.write(as_rows(VECTORS[:3], "devise-v2"))
    with pytest.raises(InputError, match="EMBEDDINGS has no photo of model devise-v1: run embed"):
        work.do(update_bundle)
    work.write(rows_of(slice(0, 20), vectors=np.zeros_like(VECTORS), digest="1"))
    with pytest.raises(InputError, match=r"20 of 40 embeddings .* above .*max_bad_share = 0\.2"):
        work.do(update_bundle)
    assert {row["reason"] for row in read_rows(tmp_path, "quarantine")} == {"zero_vector"}
    with pytest.raises(InputError, match="can be indexed any more: see QUARANTINE"):
        work.do(update_bundle, max_bad_share=1.0)
    assert read_current(work.config.work_dir) == built
