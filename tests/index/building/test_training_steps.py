import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from devise_lib.errors import InputError
from devise_lib.index.building.plan import BuildPlan
from devise_lib.index.building.shards import Queries
from devise_lib.index.building.trained import TrainedIndex
from devise_lib.index.building.training import train_index
from devise_lib.index.building.training_steps import (
    SampleBatch,
    read_seeds,
    train_centroids,
    train_empty,
    train_seeds,
)
from devise_lib.numerics.vectors import l2_normalize
from tests.embedded import clustered
from tests.index.built import D, embeddings_of, plan_in

N = 300
VECTORS = clustered(N, D, seed=6)
IDS = [f"p{i}" for i in range(N)]


def sample_of(rows, size: int = 70) -> list[SampleBatch]:
    """The sample in batches; rows of a number are those of VECTORS."""
    vectors = [VECTORS[row] if isinstance(row, int) else row for row in rows]
    ids = [f"p{row}" if isinstance(row, int) else "bad" for row in rows]
    return [
        SampleBatch(pa.array(ids[i : i + size]), embeddings_of(vectors[i : i + size]))
        for i in range(0, len(rows), size)
    ]


def empty_index(plan: BuildPlan) -> TrainedIndex:
    with open(plan.path("trained.npz"), "rb") as file, io.BytesIO(file.read()) as content:
        return TrainedIndex.load(content)


def test_the_first_vectors_are_the_queries_and_are_not_trained_on(tmp_path):
    plan = plan_in(tmp_path, queries=20)
    made = train_seeds(plan, sample_of([*range(N)]))
    assert made.values == {"queries": 20, "sample": N - 20, "parts": 8}
    queries = Queries.of(plan)
    assert queries.photo_ids.tolist() == IDS[:20]
    np.testing.assert_allclose(queries.vectors, VECTORS[:20], atol=1e-6)
    sample = np.load(tmp_path / "seeds.sample.npy")
    np.testing.assert_allclose(sample, VECTORS[20:], atol=1e-6)


def test_bad_embeddings_are_neither_queries_nor_trained_on(tmp_path):
    bad = [None, np.zeros(D), np.full(D, np.nan), np.ones(3)]
    plan = plan_in(tmp_path, queries=3)
    made = train_seeds(plan, sample_of([bad[0], 0, bad[1], 1, bad[2], 2, bad[3], *range(3, 50)]))
    assert made.values["queries"] + made.values["sample"] == 50
    assert Queries.of(plan).photo_ids.tolist() == IDS[:3]


def test_the_sample_ends_where_the_plan_says(tmp_path):
    plan = plan_in(tmp_path, queries=10, sample_rows=100)
    assert train_seeds(plan, sample_of([*range(N)])).values["sample"] == 100
    np.testing.assert_allclose(np.load(tmp_path / "seeds.sample.npy"), VECTORS[10:110], atol=1e-6)


def test_a_single_photo_is_a_query_and_is_trained_on(tmp_path):
    plan = plan_in(tmp_path, "IVF1,SQ8", queries=1)
    made = train_seeds(plan, sample_of([5]))
    train_empty(plan)
    assert (made.values["queries"], made.values["sample"]) == (1, 1)
    assert empty_index(plan).encode(VECTORS[5:6]).lists.tolist() == [0]


def test_no_vector_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="no vector of the sample can be indexed"):
        train_seeds(plan_in(tmp_path), sample_of([None, np.zeros(D)]))


@pytest.mark.parametrize("key", ["IVF8,SQ8", "PCA8,IVF8_HNSW8,SQfp16,RFlat"])
def test_in_one_level_the_steps_give_what_one_process_gives(tmp_path, key):
    plan = plan_in(tmp_path, key, queries=20)
    train_seeds(plan, sample_of([*range(N)]))
    made = train_empty(plan)
    assert made.is_whole()
    alone = train_index(plan.index_key, l2_normalize(VECTORS)[20:], plan.seed)
    found, wanted = empty_index(plan).encode(VECTORS), alone.encode(VECTORS)
    assert found.lists.tolist() == wanted.lists.tolist()
    assert found.codes.tolist() == wanted.codes.tolist()


def test_in_two_levels_each_part_is_a_step_and_all_lists_come_out(tmp_path):
    plan = plan_in(tmp_path, "IVF36,SQ8", queries=20, points_per_list=8, sample_rows=280)
    assert plan.space_parts == 6
    train_seeds(plan, sample_of([*range(N)]))
    seeds = read_seeds(plan)
    parts, points = seeds.part_of(VECTORS[20:])
    for part in range(6):
        made = train_centroids(plan, part, points[parts == part])
        assert made.values == {"points": int((parts == part).sum())}
    train_empty(plan)
    encoded = empty_index(plan).encode(VECTORS)
    assert encoded.lists.max() < 36
    assert len(set(encoded.lists.tolist())) > 24
    assert encoded.cosines.mean() > (points * seeds.centroids[parts]).sum(axis=1).mean() + 0.02


def test_a_part_of_which_the_sample_has_no_point_keeps_its_own_centroid(tmp_path):
    plan = plan_in(tmp_path, "IVF36,SQ8", queries=20, points_per_list=8, sample_rows=280)
    train_seeds(plan, sample_of([*range(N)]))
    train_empty(plan)  # no part has a step that was done
    seeds = read_seeds(plan)
    index = empty_index(plan)
    shares = seeds.shares(36)
    first = np.cumsum(shares) - shares
    own = index.encode(seeds.centroids[shares > 0])
    assert own.lists.tolist() == first[shares > 0].tolist()
    np.testing.assert_allclose(own.cosines, 1, atol=1e-5)


def test_the_same_sample_gives_the_same_files(tmp_path):
    digests = []
    for folder, size in (("a", 70), ("b", 11)):
        plan = plan_in(tmp_path / folder, queries=20)
        products = train_seeds(plan, sample_of([*range(N)], size)), train_empty(plan)
        digests.append({name: w.sha256 for p in products for name, w in p.files.items()})
    assert digests[0] == digests[1]
    other = replace(plan, folder=str(tmp_path / "c"), seed=1)
    assert train_seeds(other, sample_of([*range(N)])).files["seeds.npz"].sha256 != digests[0]
