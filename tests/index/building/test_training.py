import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.index.building.training import (
    Seeds,
    finish,
    nearest,
    train_index,
    train_part,
)
from devise_lib.index.factory import IndexKey
from tests.embedded import clustered

POINTS = clustered(3_000, 16, clusters=40, seed=4)


def key_of(text: str) -> IndexKey:
    return IndexKey.parse(text)


def bytes_of(index, path) -> bytes:
    with path.open("wb") as file:
        index.save(file)
    return path.read_bytes()


def mean_cosine(points, centroids) -> float:
    """How near points are to their centroids."""
    own = centroids[nearest(points, centroids)]
    return float((points * own).sum(axis=1).mean())


def two_levels(seeds: Seeds, nlist: int) -> np.ndarray:
    """The centroids of all parts, each trained on the points that lie there."""
    parts, points = seeds.part_of(POINTS)
    return np.concatenate(
        [
            train_part(points[parts == part], int(share), seed=0)
            for part, share in enumerate(seeds.shares(nlist))
        ]
    )


@pytest.mark.parametrize("key", ["IVF8,Flat", "IVF16_HNSW8,SQ8", "PCA8,IVF4,PQ2x4fsr,RFlat"])
def test_the_same_sample_and_seed_give_the_same_index(tmp_path, key):
    sample = POINTS[:200]
    one, two, other = (
        bytes_of(train_index(key_of(key), sample, seed), tmp_path / "a") for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other


@pytest.mark.parametrize("key", ["IVF8,Flat", "PCA4,IVF8,SQ8", "IVF8_HNSW8,SQ8"])
def test_fewer_vectors_than_lists_are_refused(key):
    with pytest.raises(InputError, match="there are 7 vectors to train 8 lists on"):
        train_index(key_of(key), clustered(20)[:7], seed=0)
    assert train_index(key_of("IVF8,Flat"), clustered(20)[:8], seed=0).key.nlist == 8


def test_too_few_vectors_for_the_codes_are_refused():
    with pytest.raises(InputError, match="'IVF2,PQ4x4' cannot be trained on 5 vectors"):
        train_index(key_of("IVF2,PQ4x4"), clustered(20)[:5], seed=0)


@pytest.mark.parametrize(("key", "n"), [("OPQ4_16,IVF8,PQ4x4", 100), ("PCA12,IVF2,SQ8", 5)])
def test_too_few_vectors_for_the_transform_are_refused(key, n):
    with pytest.raises(InputError, match=f"cannot be trained on {n} vectors"):
        train_index(key_of(key), clustered(200)[:n], seed=0)


@pytest.mark.parametrize("parts", [1, 5, 16])
def test_the_parts_share_all_lists_by_their_points(parts):
    seeds = Seeds.train(key_of("IVF64,SQ8"), POINTS, parts, seed=0)
    shares = seeds.shares(200)
    assert shares.sum() == 200
    assert seeds.counts.sum() == len(POINTS)
    assert (np.abs(shares - seeds.counts / len(POINTS) * 200) <= 1).all()
    assert (shares >= 0).all()


def test_seeds_are_read_as_they_were_written(tmp_path):
    seeds = Seeds.train(key_of("PCA8,IVF64,SQ8"), POINTS, 4, seed=0)
    with (tmp_path / "seeds.npz").open("wb") as file:
        seeds.save(file)
    loaded = Seeds.load(tmp_path / "seeds.npz")
    for found, wanted in zip(loaded.part_of(POINTS), seeds.part_of(POINTS), strict=True):
        assert (found == wanted).all()
    assert loaded.shares(64).tolist() == seeds.shares(64).tolist()
    assert loaded.part_of(POINTS)[1].shape == (3_000, 8)


@pytest.mark.parametrize(("points", "nlist"), [(0, 0), (5, 0), (1, 4), (3, 3), (5, 7), (60, 6)])
def test_a_part_gets_as_many_centroids_as_lists_whatever_its_points(points, nlist):
    centroids = train_part(POINTS[:points], nlist, seed=0)
    assert centroids.shape == (nlist, 16)
    if 0 < points <= nlist:  # each point is a centroid
        assert mean_cosine(POINTS[:points], centroids) == pytest.approx(1, abs=1e-6)


def test_two_levels_place_centroids_about_as_well_as_one():
    nlist = 64
    seeds = Seeds.train(key_of("IVF64,SQ8"), POINTS, 8, seed=0)
    one_level = Seeds.train(key_of("IVF64,SQ8"), POINTS, nlist, seed=0).centroids
    centroids = two_levels(seeds, nlist)
    assert centroids.shape == one_level.shape
    two, one = mean_cosine(POINTS, centroids), mean_cosine(POINTS, one_level)
    only_parts = mean_cosine(POINTS, seeds.centroids)
    assert two > one - 0.02
    assert two > only_parts + 0.05  # so that the bound above tells anything


def test_an_index_of_two_levels_finds_a_vector_in_its_list():
    key = key_of("IVF64,SQ8")
    seeds = Seeds.train(key, POINTS, 8, seed=0)
    centroids = two_levels(seeds, 64)
    index = finish(key, seeds, centroids, POINTS)
    assert index.encode(POINTS).lists.tolist() == nearest(POINTS, centroids).tolist()


def test_a_graph_over_the_centroids_finds_the_nearest_nearly_always():
    key = key_of("IVF900_HNSW8,SQ8")
    seeds = Seeds.train(key, POINTS, 2, seed=0)
    index = finish(key, seeds, POINTS[:900], POINTS)
    assert (index.encode(POINTS).lists == nearest(POINTS, POINTS[:900])).mean() > 0.99


def test_centroids_have_unit_norm():
    centroids = Seeds.train(key_of("IVF8,SQ8"), POINTS, 8, seed=0).centroids
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


def test_the_nearest_centroid_is_that_of_the_greatest_product():
    centroids = POINTS[:7]
    assert nearest(POINTS, centroids).tolist() == (POINTS @ centroids.T).argmax(axis=1).tolist()
