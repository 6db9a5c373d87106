import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.errors import InputError
from devise_lib.index.building import (
    BuildPlan,
    BuildResult,
    SampleBatch,
    merge_shards,
    train_index,
    write_shard,
)
from devise_lib.index.faiss_index import IvfIndex
from devise_lib.numerics.retrieval import top_k
from devise_lib.storage.copies import cached
from tests.embedded import clustered

N = 400
VECTORS = clustered(N)
IDS = [f"p{i:04d}" for i in range(N)]


def plan_for(folder, **changes):
    values = {"n": N, "dimension": 16, "nlist": 0, "k": 5, "recall_target": 0.9, "seed": 0}
    folder.mkdir(exist_ok=True)
    return BuildPlan(folder=str(folder), **{**values, **changes})


def train(plan, n_queries=20, n=N):
    is_query = np.arange(n) < n_queries
    halves = np.array_split(np.arange(n), 2)
    return train_index(
        plan, [SampleBatch([IDS[i] for i in h], VECTORS[h], is_query[h]) for h in halves]
    )


def build_in(plan, cuts, n=N, n_queries=20):
    train(plan, n_queries, n)
    for number, rows in enumerate(np.split(np.arange(n), cuts)):
        batches = [
            (pa.array([IDS[i] for i in b], pa.string()), VECTORS[b])
            for b in np.array_split(rows, 3)
        ]
        assert write_shard(plan, number, batches) == len(rows)
    return merge_shards(plan)


def test_the_index_has_every_vector_under_its_row(tmp_path):
    plan = plan_for(tmp_path / "a")
    merged = build_in(plan, [100, 100, 250])  # one shard is empty
    index = IvfIndex.load(Path(plan.result) / "index.faiss")
    rows, _ = index.search(VECTORS, 1, index.nlist)
    assert rows[:, 0].tolist() == list(range(N))
    ids = pq.read_table(Path(plan.result) / "ids.parquet").to_pydict()
    assert ids == {"row": list(range(N)), "photo_id": IDS}
    assert (merged.n, merged.nlist, merged.index_key) == (N, 9, "IVF9,Flat")
    assert (merged.k, merged.queries) == (5, 20)


def test_the_result_does_not_depend_on_the_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("devise_lib.index.building.IDS_GROUP_ROWS", 130)
    one = build_in(plan_for(tmp_path / "one"), [])
    many = build_in(plan_for(tmp_path / "many"), [7, 70, 300])
    assert one == many
    ids = pq.ParquetFile(tmp_path / "many" / "bundle" / "ids.parquet")
    groups = [ids.metadata.row_group(i).num_rows for i in range(ids.num_row_groups)]
    assert groups == [130, 130, 130, 10]
    assert ids.read().to_pydict() == {"row": list(range(N)), "photo_id": IDS}


def test_recall_is_that_of_exact_search(tmp_path):
    plan = plan_for(tmp_path / "a", recall_target=1.0, nlist=40)
    merged = build_in(plan, [10])  # queries are in both shards
    index = IvfIndex.load(Path(plan.result) / "index.faiss")
    exact, _ = top_k(VECTORS[:20], VECTORS, 6)
    for point in merged.curve:
        found, _ = index.search(VECTORS[:20], 6, point.nprobe)
        shares = [
            len((set(f) & set(e)) - {i}) / 5
            for i, (f, e) in enumerate(zip(found.tolist(), exact.tolist(), strict=True))
        ]
        assert point.recall == pytest.approx(np.mean(shares))
    assert merged.curve[0].recall < 0.9
    assert merged.recall == 1.0
    assert merged.nprobe == merged.curve[-1].nprobe


def test_queries_are_not_trained_on(tmp_path):
    plan = plan_for(tmp_path / "a", nlist=380)
    assert train(plan) == 380
    with pytest.raises(InputError, match="nlist is 381, but there are only 380 vectors"):
        train(plan_for(tmp_path / "b", nlist=381))


@pytest.mark.parametrize(("n", "k"), [(1, 0), (2, 1), (6, 5), (7, 5)])
def test_few_photos_make_an_index_of_one_list(tmp_path, n, k):
    merged = build_in(plan_for(tmp_path / "a", n=n), [], n=n, n_queries=1)
    assert (merged.nlist, merged.nprobe, merged.recall, merged.k) == (1, 1, 1.0, k)


def test_a_task_that_is_tried_again_changes_nothing(tmp_path):
    plan = plan_for(tmp_path / "a")
    first = build_in(plan, [200])
    write_shard(plan, 1, [(pa.array(IDS[200:]), VECTORS[200:])])
    assert merge_shards(plan) == first
    assert not list(Path(plan.folder).rglob(".*"))


def test_the_result_travels_as_text(tmp_path):
    merged = build_in(plan_for(tmp_path / "a"), [])
    assert BuildResult.from_json(merged.to_json()) == merged
    assert json.loads(merged.to_json())["n"] == N


def test_an_index_is_built_on_a_store_as_on_a_disk(tmp_path, bucket, s3_files, monkeypatch):
    monkeypatch.setattr("devise_lib.storage.copies.cache_folder", lambda: tmp_path)
    here = build_in(plan_for(tmp_path / "here"), [150])
    there = replace(plan_for(tmp_path / "unused"), folder=f"s3a://{bucket}/index/draft")
    assert build_in(there, [150]) == here
    index = cached(f"{there.result}/index.faiss", here.sha256["index.faiss"])
    assert IvfIndex.load(index, memory_map=True).n == N
    assert cached(f"{there.result}/index.faiss", here.sha256["index.faiss"]) == index
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()) == [
        ".faiss",
        ".lock",
    ]
    s3_files.write(f"{there.result}/ids.parquet", b"changed")
    with pytest.raises(InputError, match=r"ids\.parquet was changed: its SHA-256 is"):
        cached(f"{there.result}/ids.parquet", here.sha256["ids.parquet"])
