import os
import shutil
import threading
from pathlib import Path

import faiss
import numpy as np
import pytest

from devise_lib.errors import InputError
from devise_lib.index.building.memory import mapped_bytes
from devise_lib.index.index_file import IndexFile, imbalance_of, in_threads
from devise_lib.index.settings import SearchSettings
from devise_lib.numerics.retrieval import top_k
from devise_lib.numerics.vectors import l2_normalize
from tests.embedded import clustered
from tests.index.built import D, build_files, names, photos, plan_in, trained

N = 200
VECTORS = photos(N)
QUERIES = photos(12, 1_000)
# The key, settings with which all lists are searched, and how far a decoded vector may be off.
KEYS = {
    "IVF8,Flat": (SearchSettings(8), 1e-6),
    "IVF8,SQ8": (SearchSettings(8), 0.02),
    "IVF8,SQfp16": (SearchSettings(8), 1e-3),
    "IVF16_HNSW8,SQ8": (SearchSettings(16, 64), 0.06),
    "IVF8,PQ8x4fsr": (SearchSettings(8), 0.6),
    "RR16,IVF8,SQ8": (SearchSettings(8), 0.05),
    "IVF8,PQ4x4,RFlat": (SearchSettings(8, 0, 64), 1e-6),
    "PCA8,IVF8,PQ4x4fsr,Refine(SQfp16)": (SearchSettings(8, 0, 64), 1e-3),
}
ALL = pytest.mark.parametrize("key", KEYS)


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict[str, Path]:
    """An index file of VECTORS per key."""
    found = {}
    for key in KEYS:
        folder = tmp_path_factory.mktemp("built")
        build_files(plan_in(folder, key), names(N), VECTORS, [N // 2])
        found[key] = folder / "bundle" / "base" / "index.faiss"
    return found


@ALL
def test_a_file_says_what_is_in_it(paths, key):
    index = IndexFile(paths[key])
    wanted = trained(key).key
    assert (index.n, index.listed(), index.dimension, index.nlist) == (N, N, D, wanted.nlist)
    assert index.has_graph == bool(wanted.links)
    assert index.has_refinement == bool(wanted.refine)
    lists = np.load(paths[key].with_name("lists.npy"))
    assert index.sizes().tolist() == np.bincount(lists, minlength=wanted.nlist).tolist()


@ALL
@pytest.mark.parametrize("memory_map", [True, False])
def test_a_search_of_all_lists_finds_what_faiss_finds(paths, key, memory_map):
    """By faiss's own parameters, which are text."""
    settings, _ = KEYS[key]
    rows, scores = IndexFile(paths[key], memory_map).search(QUERIES, 7, settings)
    index = faiss.read_index(str(paths[key]))
    faiss.ParameterSpace().set_index_parameters(index, str(settings))
    wanted_scores, wanted_rows = index.search(QUERIES, 7)
    assert rows.tolist() == wanted_rows.tolist()
    np.testing.assert_allclose(scores, wanted_scores, rtol=1e-6)


@pytest.mark.parametrize("key", ["IVF8,Flat", "IVF8,PQ4x4,RFlat"])
def test_a_search_of_all_lists_is_exact_where_vectors_are_whole(paths, key):
    rows, scores = IndexFile(paths[key]).search(QUERIES, 7, KEYS[key][0])
    exact_rows, exact_scores = top_k(QUERIES, VECTORS, 7)
    assert rows.tolist() == exact_rows.tolist()
    np.testing.assert_allclose(scores, exact_scores, atol=1e-5)


@ALL
def test_a_selector_lets_no_other_row_be_found(paths, key):
    allowed = np.arange(0, N, 4)
    bits = np.packbits(np.isin(np.arange(N), allowed), bitorder="little")
    settings, _ = KEYS[key]
    rows, scores = IndexFile(paths[key]).search(QUERIES, 60, settings, faiss.IDSelectorBitmap(bits))
    assert set(rows[rows >= 0]) <= set(allowed.tolist())
    assert (np.isneginf(scores) == (rows < 0)).all()
    assert (rows[:, :50] >= 0).all()
    assert (rows[:, 50:] < 0).all()


def test_a_search_of_one_list_finds_only_what_is_in_it(paths):
    index = IndexFile(paths["IVF8,Flat"])
    lists = np.load(paths["IVF8,Flat"].with_name("lists.npy"))
    rows, scores = index.search(QUERIES, N, SearchSettings(1))
    for found in rows:
        here = found[found >= 0]
        assert len(set(lists[here])) == 1
        assert len(here) == index.sizes()[lists[here[0]]]
    assert ((rows == -1) == np.isneginf(scores)).all()


def test_more_lists_than_there_are_is_all_of_them(paths):
    index = IndexFile(paths["IVF8,Flat"])
    found, wanted = (index.search(QUERIES, 5, SearchSettings(n))[0] for n in (1_000, 8))
    assert found.tolist() == wanted.tolist()


@ALL
def test_a_row_is_decoded_to_about_its_vector(paths, key):
    index, (_, off) = IndexFile(paths[key]), KEYS[key]
    lists = np.load(paths[key].with_name("lists.npy"))
    decoded = np.stack([index.decode(row, int(lists[row])) for row in range(0, N, 9)])
    np.testing.assert_allclose(decoded, VECTORS[::9], atol=off)
    assert (decoded * VECTORS[::9]).sum(axis=1).mean() > 0.9


@pytest.mark.parametrize("key", ["IVF8,Flat", "IVF8,PQ8x4fsr"])
def test_a_row_is_not_in_another_list(paths, key):
    index = IndexFile(paths[key])
    lists = np.load(paths[key].with_name("lists.npy"))
    with pytest.raises(ValueError, match="does not hold row 3"):
        index.decode(3, (int(lists[3]) + 1) % 8)


@ALL
def test_lists_are_read_as_the_vectors_were_encoded(paths, key):
    index = IndexFile(paths[key])
    lists = np.load(paths[key].with_name("lists.npy"))
    order = np.argsort(lists, kind="stable")
    wanted = trained(key).encode(l2_normalize(VECTORS))
    whole = index.read_lists(0, index.nlist)
    assert whole[1].tolist() == order.tolist()
    assert (whole[0] == wanted.codes[order]).all()
    codes, rows = index.read_lists(2, 5)
    here = (lists[order] >= 2) & (lists[order] < 5)
    assert rows.tolist() == order[here].tolist()
    assert (codes == whole[0][here]).all()
    assert index.read_lists(3, 3)[0].shape == (0, trained(key).code_size)


@pytest.mark.parametrize("shape", [(3, D + 1), (D,), (2, 2, D)])
def test_queries_of_another_length_are_refused(paths, shape):
    with pytest.raises(ValueError, match=r"want queries \(q, 16\), got"):
        IndexFile(paths["IVF8,Flat"]).search(np.ones(shape, np.float32), 3, SearchSettings(1))


def test_a_file_that_is_opened_anew_searches_as_before(paths):
    index = IndexFile(paths["IVF8,SQ8"])
    before = index.search(QUERIES, 5, SearchSettings(3))
    index.reopen()
    for found, wanted in zip(index.search(QUERIES, 5, SearchSettings(3)), before, strict=True):
        assert found.tolist() == wanted.tolist()


@pytest.mark.skipif(not mapped_bytes(), reason="wants Linux's count of mapped pages")
def test_a_file_that_is_opened_anew_gives_its_pages_back(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((30_000, 128), np.float32)
    made = faiss.index_factory(128, "IVF1,Flat", faiss.METRIC_INNER_PRODUCT)
    made.train(vectors)
    made.add(vectors)
    faiss.write_index(made, str(tmp_path / "index.faiss"))
    index = IndexFile(tmp_path / "index.faiss")
    before = mapped_bytes()
    index.search(vectors[:1], 1, SearchSettings(1))
    assert mapped_bytes() - before > 0.9 * vectors.nbytes
    index.reopen()
    assert mapped_bytes() - before < 0.1 * vectors.nbytes


def test_a_mapped_file_is_not_read_whole(paths, tmp_path):
    """It still searches when its name is gone, because its pages are mapped."""
    copy = tmp_path / "index.faiss"
    shutil.copy(paths["IVF8,Flat"], copy)
    index = IndexFile(copy)
    mapped = Path("/proc/self/maps").read_text()
    assert str(copy) in mapped
    copy.unlink()
    assert index.search(QUERIES, 1, SearchSettings(8))[0].shape == (12, 1)


def no_index(path: Path) -> None:
    path.write_bytes(b"no index")


def flat(path: Path) -> None:
    faiss.write_index(faiss.IndexFlatIP(4), str(path))


def distances(path: Path) -> None:
    index = faiss.index_factory(4, "IVF1,Flat", faiss.METRIC_L2)
    index.train(clustered(50, 4))
    faiss.write_index(index, str(path))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (os.fspath, "is not an index that faiss .* reads: run build_index again"),  # no file
        (Path.touch, "is not an index that faiss .* reads"),
        (no_index, "is not an index that faiss .* reads"),
        (flat, "is a IndexFlat.*, want an inverted file of inner products"),
        (distances, "is a IndexIVFFlat, want an inverted file of inner products"),
    ],
)
def test_what_is_no_index_is_refused(tmp_path, write, message):
    write(tmp_path / "index.faiss")
    with pytest.raises(InputError, match=message):
        IndexFile(tmp_path / "index.faiss")


@pytest.mark.parametrize("memory_map", [True, False])
def test_a_file_that_is_cut_off_is_refused(paths, tmp_path, memory_map):
    content = paths["IVF8,SQ8"].read_bytes()
    for size in (len(content) - 8, len(content) // 2, 10):
        (tmp_path / "index.faiss").write_bytes(content[:size])
        with pytest.raises(InputError, match="is not an index that faiss"):
            IndexFile(tmp_path / "index.faiss", memory_map)


def test_work_has_its_number_of_threads_and_gives_it_back():
    before = faiss.omp_get_max_threads()
    assert in_threads(before + 1, faiss.omp_get_max_threads) == before + 1
    with pytest.raises(KeyError):
        in_threads(before + 1, lambda: {}["none"])
    assert faiss.omp_get_max_threads() == before


def test_threads_that_search_at_once_find_the_same(paths):
    index = IndexFile(paths["IVF8,PQ8x4fsr"])
    wanted = index.search(QUERIES, 5, SearchSettings(4))[0].tolist()
    found: list[list[list[int]]] = []

    def search() -> None:
        for _ in range(20):
            found.append(index.search(QUERIES, 5, SearchSettings(4))[0].tolist())

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all(each == wanted for each in found)


@pytest.mark.parametrize(
    ("sizes", "imbalance"), [([5, 5, 5], 1.0), ([9, 0, 0], 3.0), ([2, 1, 1], 1.125), ([0, 0], 1.0)]
)
def test_the_imbalance_of_lists(sizes, imbalance):
    assert imbalance_of(np.array(sizes)) == pytest.approx(imbalance)
