import io
from pathlib import Path

import faiss
import numpy as np
import pytest

from devise_lib.index.building.trained import TrainedIndex, transform
from devise_lib.index.factory import IndexKey
from tests.embedded import clustered
from tests.index.built import D, trained

VECTORS = clustered(120, D, seed=3)
KEYS = (
    *("IVF8,Flat", "IVF8,SQ8", "IVF8,SQfp16", "IVF16_HNSW8,SQ8", "IVF8,PQ4x4", "IVF8,PQ8x4fsr"),
    *("IVF8,RaBitQ", "PCA8,IVF8,SQ8", "IVF8,PQ4x4,RFlat", "PCA8,IVF8,SQ8,Refine(SQfp16)"),
)


def saved(index: TrainedIndex, path: Path) -> Path:
    with path.open("wb") as file:
        index.save(file)
    return path


def plain_faiss(index: TrainedIndex) -> list:
    """The encoder, and the refiner if there is one, as faiss reads them from the file."""
    file = io.BytesIO()
    index.save(file)
    file.seek(0)
    parts = np.load(file)
    return [faiss.deserialize_index(parts[name]) for name in ("part0", "part1") if name in parts]


@pytest.mark.parametrize("key", KEYS)
def test_a_saved_index_encodes_as_before(tmp_path, key):
    index = trained(key)
    loaded = TrainedIndex.load(saved(index, tmp_path / "trained.npz"))
    assert loaded.key == IndexKey.parse(key)
    for name in ("dimension", "code_size", "refine_size"):
        assert getattr(loaded, name) == getattr(index, name)
    found, wanted = loaded.encode(VECTORS), index.encode(VECTORS)
    for name in ("lists", "cosines", "codes", "refine"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist()


@pytest.mark.parametrize("key", KEYS)
def test_codes_are_what_adding_the_vectors_puts_into_the_lists(key):
    index = trained(key)
    found = index.encode(VECTORS)
    encoder, *refiner = plain_faiss(index)
    encoder.add(VECTORS)
    lists = faiss.extract_index_ivf(encoder).invlists
    for number in range(index.key.nlist):
        size = lists.list_size(number)
        here = np.flatnonzero(found.lists == number)
        codes = faiss.rev_swig_ptr(lists.get_codes(number), size * index.code_size)
        assert faiss.rev_swig_ptr(lists.get_ids(number), size).tolist() == here.tolist()
        assert codes.tolist() == found.codes[here].ravel().tolist()
    if refiner:
        refiner[0].add(VECTORS)
        kept = faiss.serialize_index(refiner[0]).tobytes()
        assert found.refine.tobytes() in kept
    assert bool(refiner) == bool(index.refine_size)


def test_a_vector_is_encoded_alone_as_among_others():
    index = trained("PCA8,IVF8,SQ8")
    together = index.encode(VECTORS)
    alone = [index.encode(vector[None]) for vector in VECTORS[:20]]
    assert [each.lists[0] for each in alone] == together.lists[:20].tolist()
    assert [each.codes[0].tolist() for each in alone] == together.codes[:20].tolist()


def test_the_list_of_a_vector_is_that_of_the_nearest_centroid():
    index = trained("PCA8,IVF8,SQ8")
    encoder = plain_faiss(index)[0]
    centroids = faiss.extract_index_ivf(encoder).quantizer.reconstruct_n(0, 8)
    scores = transform(encoder, VECTORS) @ centroids.T
    found = index.encode(VECTORS)
    assert found.lists.tolist() == scores.argmax(axis=1).tolist()
    np.testing.assert_allclose(found.cosines, scores.max(axis=1), atol=1e-6)


@pytest.mark.parametrize("key", KEYS)
def test_no_vectors_have_no_codes(key):
    index = trained(key)
    found = index.encode(VECTORS[:0])
    assert found.codes.shape == (0, index.code_size)
    assert found.refine.shape == (0, index.refine_size)
    assert len(found.lists) == len(found.cosines) == 0


@pytest.mark.parametrize("shape", [(3, D + 1), (D,), (1, 1, D)])
def test_vectors_of_another_length_are_refused(shape):
    with pytest.raises(ValueError, match=r"want vectors \(n, 16\), got"):
        trained("IVF8,Flat").encode(np.ones(shape, np.float32))


def test_encoding_leaves_the_index_empty(tmp_path):
    index = trained("IVF8,SQ8,Refine(SQ8)")
    before = saved(index, tmp_path / "a").read_bytes()
    index.encode(VECTORS)
    index.frame(50)
    index.pack(np.array([2]), index.encode(VECTORS[:2]).codes)
    assert saved(index, tmp_path / "b").read_bytes() == before


def test_lists_are_packed_at_any_place_of_a_fast_scan():
    """Which lists a part begins with does not change how they are packed."""
    index = trained("IVF8,PQ8x4fsr")
    codes = index.encode(VECTORS).codes
    sizes = np.array([0, 40, 33, 1, 46])
    packed = index.pack(sizes, codes)
    again = [
        index.pack(sizes[i : i + 1], codes[s : s + sizes[i]])[0]
        for i, s in enumerate(np.cumsum(sizes) - sizes)
    ]
    assert [each.tolist() for each in packed] == [each.tolist() for each in again]
    assert [each.size for each in packed] == [0, 64 * 4, 64 * 4, 32 * 4, 64 * 4]


def test_more_lists_than_the_index_has_cannot_be_packed():
    index = trained("IVF8,PQ8x4fsr")
    with pytest.raises(ValueError, match="want at most 8 lists, got 9"):
        index.pack(np.zeros(9, np.int64), np.empty((0, index.code_size), np.uint8))
