import faiss
import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.index.faiss_index import IvfIndex
from devise_lib.numerics.retrieval import top_k
from tests.embedded import clustered

VECTORS = clustered(600)
QUERIES = clustered(20, seed=1)


@pytest.fixture
def index():
    index = IvfIndex.train(VECTORS, nlist=12, seed=0)
    index.add(VECTORS, np.arange(600))
    return index


def test_a_search_of_all_lists_is_exact(index):
    rows, scores = index.search(QUERIES, 10, nprobe=12)
    exact_rows, exact_scores = top_k(QUERIES, VECTORS, 10)
    assert rows.tolist() == exact_rows.tolist()
    np.testing.assert_allclose(scores, exact_scores, atol=1e-5)


def test_a_search_of_one_list_finds_only_what_is_in_it(index):
    rows, scores = index.search(QUERIES, 600, nprobe=1)
    assert ((rows == -1) == np.isneginf(scores)).all()
    assert 0 < (rows >= 0).sum() < 20 * 600 / 4


def test_an_index_of_nothing_finds_nothing():
    empty = IvfIndex.train(VECTORS, nlist=2, seed=0)
    rows, scores = empty.search(QUERIES, 2, nprobe=2)
    assert (rows == -1).all()
    assert np.isneginf(scores).all()


@pytest.mark.parametrize("memory_map", [False, True])
def test_a_saved_index_searches_as_before(index, tmp_path, memory_map):
    index.set_nprobe(5)
    index.save(tmp_path / "index.faiss")
    loaded = IvfIndex.load(tmp_path / "index.faiss", memory_map)
    assert (loaded.n, loaded.dimension, loaded.key) == (600, 16, "IVF12,Flat")
    for found, wanted in zip(
        loaded.search(QUERIES, 7, 3), index.search(QUERIES, 7, 3), strict=True
    ):
        assert found.tolist() == wanted.tolist()
    assert faiss.read_index(str(tmp_path / "index.faiss")).nprobe == 5


def test_merged_shards_are_the_index_of_all(index, tmp_path):
    IvfIndex.train(VECTORS, nlist=12, seed=0).save(tmp_path / "empty.faiss")
    merged = IvfIndex.load(tmp_path / "empty.faiss")
    for start, stop in [(0, 250), (250, 251), (251, 600)]:
        shard = IvfIndex.load(tmp_path / "empty.faiss")
        shard.add(VECTORS[start:stop], np.arange(stop - start))
        merged.merge(shard, offset=start)
        assert shard.n == 0
    merged.save(tmp_path / "merged.faiss")
    index.save(tmp_path / "whole.faiss")
    assert (tmp_path / "merged.faiss").read_bytes() == (tmp_path / "whole.faiss").read_bytes()


@pytest.mark.parametrize("other", [VECTORS[:300], VECTORS[:, :8]], ids=["sample", "dimension"])
def test_a_shard_of_other_centroids_is_refused(index, other):
    shard = IvfIndex.train(other, nlist=12, seed=0)
    with pytest.raises(ValueError, match="the shard has other centroids"):
        index.merge(shard, 0)
    assert index.n == 600


def test_training_depends_on_the_seed_alone(tmp_path):
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        IvfIndex.train(VECTORS, nlist=12, seed=seed).save(tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_few_training_vectors_give_no_warning_of_faiss(capfd):
    IvfIndex.train(VECTORS[:20], nlist=10, seed=0)
    assert capfd.readouterr() == ("", "")


def test_more_lists_than_vectors_are_refused():
    with pytest.raises(InputError, match="nlist is 21, but there are only 20 vectors"):
        IvfIndex.train(VECTORS[:20], nlist=21, seed=0)


def test_vectors_of_another_dimension_are_refused(index):
    with pytest.raises(ValueError, match=r"want vectors \(n, 16\), got \(3, 8\)"):
        index.add(np.ones((3, 8)), np.arange(3))
    with pytest.raises(ValueError, match=r"want vectors \(n, 16\), got \(3, 8\)"):
        index.search(np.ones((3, 8)), 1, 1)


def test_a_row_number_is_wanted_for_each_vector(index):
    with pytest.raises(ValueError, match="want 2 row numbers"):
        index.add(VECTORS[:2], np.arange(3))


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not an index that faiss reads"):
        IvfIndex.load(tmp_path / "none.faiss")
    (tmp_path / "text.faiss").write_text("not an index at all")
    with pytest.raises(InputError, match="is not an index that faiss reads"):
        IvfIndex.load(tmp_path / "text.faiss")
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "flat.faiss"))
    with pytest.raises(InputError, match="is a IndexFlatL2, want an IndexIVFFlat"):
        IvfIndex.load(tmp_path / "flat.faiss")
