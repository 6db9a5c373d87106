"""The oracle of all index files here is faiss itself: one index, to which all vectors are added."""

import io
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devise_lib.index.building.arrays import StoredArray
from devise_lib.index.building.merging import cut_lists, read_layout, write_layout
from devise_lib.index.building.plan import finished_shards
from devise_lib.index.building.shards import write_shard
from devise_lib.index.building.truth import read_truth
from devise_lib.index.factory import IndexKey
from devise_lib.numerics.retrieval import top_k
from devise_lib.numerics.vectors import l2_normalize
from tests.embedded import clustered
from tests.index.built import D, build_files, names, plan_in, put_trained, trained

N = 150
VECTORS = clustered(N, D, seed=1)
ADDED = l2_normalize(VECTORS)  # as shards scale them, to the last bit
IDS = names(N)
KEYS = (
    "IVF8,Flat",
    "IVF8,SQ8",
    "IVF8,SQfp16",
    "IVF16_HNSW8,SQ8",
    "IVF8,PQ4x4",
    "IVF8,PQ4x4fs",
    "IVF8,PQ8x4fsr",
    "IVF8,RaBitQ",
    "OPQ2_8,IVF8,PQ4x4fsr",
    "PCA8,IVF8,SQ8",
    "PCA8,L2norm,IVF8_HNSW8,PQ8x4fs",
    "IVF8,PQ4x4,RFlat",
    "IVF8,SQ8,Refine(SQ8)",
    "PCA8,IVF8_HNSW8,PQ4x4fsr,Refine(SQfp16)",
)


def added_at_once(key, vectors) -> bytes:
    """What faiss writes of an index to which all vectors were added."""
    saved = io.BytesIO()
    trained(key).save(saved)
    saved.seek(0)
    parts = np.load(saved)
    index = faiss.deserialize_index(parts["part0"])
    index.add(vectors)
    if IndexKey.parse(key).is_fast_scan:
        packed = faiss.IndexIVFPQFastScan(faiss.downcast_index(faiss.extract_index_ivf(index)), 32)
        if isinstance(index, faiss.IndexPreTransform):
            outer = faiss.IndexPreTransform(packed)
            for place in reversed(range(index.chain.size())):
                outer.prepend_transform(index.chain.at(place))
            packed = outer
        packed.ntotal = len(vectors)
        plain, index = index, packed
        assert plain.ntotal == index.ntotal  # and it lives on, because the other points to it
    if "part1" in parts:
        refiner = faiss.deserialize_index(parts["part1"])
        refiner.add(vectors)
        base, index = index, faiss.IndexRefine(index, refiner)
        index.ntotal = base.ntotal
    return faiss.serialize_index(index).tobytes()


def written(folder: Path, name: str) -> Path:
    return folder / "bundle" / "base" / name


@pytest.mark.parametrize("key", KEYS)
def test_merged_shards_are_byte_for_byte_the_index_to_which_all_was_added(tmp_path, key):
    build_files(plan_in(tmp_path, key, part_bytes=500), IDS, VECTORS, [40, 41, 41, 120])
    assert written(tmp_path, "index.faiss").read_bytes() == added_at_once(key, ADDED)


@st.composite
def builds(draw):
    """A key, the number of vectors, where they are cut into shards, and the bytes of a part."""
    key = draw(st.sampled_from(("IVF8,SQ8", "IVF8,PQ4x4fs", "PCA8,IVF16_HNSW8,PQ4x4fsr,RFlat")))
    n = draw(st.one_of(st.just(N), st.integers(0, N)))
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=3)))
    return key, n, cuts, draw(st.sampled_from((1, 100, 700, 10**9)))


@given(builds())
@settings(max_examples=25)
def test_any_cut_into_shards_and_parts_gives_the_same_files(build):
    key, n, cuts, part_bytes = build
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build_files(plan_in(folder, key, part_bytes=part_bytes), IDS[:n], VECTORS[:n], cuts)
        found = written(folder, "index.faiss")
        wanted = added_at_once(key, ADDED[:n])
        assert faiss.serialize_index(faiss.read_index(str(found))).tobytes() == wanted
        if n == N:  # faiss writes an index whose lists are mostly empty in another way
            assert found.read_bytes() == wanted
        ids = np.load(written(folder, "ids.npy"))
        assert [name.decode() for name in ids.tolist()] == IDS[:n]
        digests = np.load(written(folder, "digests.npy"))
        assert digests.tolist() == [row >> 4 for row in range(n)]  # 60 of the 64 bits
        lists = np.load(written(folder, "lists.npy"))
        assert lists.tolist() == trained(key).encode(ADDED[:n]).lists.tolist()


def test_the_files_of_a_build_have_the_sizes_and_digests_that_their_marker_says(tmp_path):
    plan = plan_in(tmp_path)
    made = build_files(plan, IDS, VECTORS, [70])
    assert made.is_whole()
    assert {Path(path).name for path in made.files} >= {"index.faiss", "ids.npy", "lists.npy"}
    assert made.values["n"] == N
    sizes = np.bincount(trained(plan.key).encode(ADDED).lists, minlength=8)
    assert made.values["imbalance"] == pytest.approx(8 * np.sum((sizes / N) ** 2))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 100))
def test_ranges_of_lists_keep_their_bound_and_none_could_be_longer(sizes, part_bytes):
    bounds = cut_lists(np.array(sizes, np.int64), part_bytes).tolist()
    assert bounds[0] == 0
    assert bounds[-1] == len(sizes)
    for first, stop in pairwise(bounds):
        assert first < stop
        assert sum(sizes[first:stop]) <= part_bytes or stop == first + 1
        assert stop == len(sizes) or sum(sizes[first : stop + 1]) > part_bytes


def test_the_layout_tells_where_each_part_begins_in_each_shard(tmp_path):
    plan = plan_in(tmp_path, "IVF8,SQ8", part_bytes=600)
    build_files(plan, IDS, VECTORS, [50])
    layout = read_layout(plan)
    assert layout.offsets.tolist() == [0, 50]
    assert layout.n == layout.sizes.sum() == N
    assert layout.parts > 2
    for shard, starts in zip(finished_shards(plan), layout.starts, strict=True):
        sizes = np.load(shard.path(".sizes.npy"))
        assert starts.tolist() == [sizes[:bound].sum() for bound in layout.bounds]


def test_a_missing_shard_is_named(tmp_path):
    plan = plan_in(tmp_path, shards=4)
    put_trained(plan, trained(plan.key), ["nobody"], VECTORS[:1])
    for number in (0, 3):
        write_shard(plan, number, [])
    with pytest.raises(RuntimeError, match=r"lacks .*000001"):
        write_layout(plan)


def test_the_truth_is_the_exact_search_of_all_shards_without_the_query_itself(tmp_path):
    plan = plan_in(tmp_path, shards=4)
    asked = [7, 90, 149]
    strange = clustered(1, D, seed=99)
    ids = [*(IDS[row] for row in asked), "nobody"]
    queries = np.concatenate([VECTORS[asked], strange])
    put_trained(plan, trained(plan.key), ids, queries)
    build_files(plan, IDS, VECTORS, [50, 50, 120])
    truth = read_truth(plan)
    assert truth.own.tolist() == [*asked, -1]
    rows, scores = top_k(queries, VECTORS, plan.truth_depth)
    wanted = [[r for r in found if r != own] for found, own in zip(rows, truth.own, strict=True)]
    assert truth.rows.tolist() == [found[: plan.truth_depth - 1] for found in wanted]
    np.testing.assert_allclose(truth.scores[3], scores[3, :-1], atol=1e-6)
    assert truth.k == plan.k


@pytest.mark.parametrize(("n", "k"), [(1, 0), (3, 2)])
def test_the_truth_of_few_photos_has_fewer_results(tmp_path, n, k):
    plan = plan_in(tmp_path)
    put_trained(plan, trained(plan.key), IDS[:1], VECTORS[:1])
    build_files(plan, IDS[:n], VECTORS[:n], [n // 2])
    truth = read_truth(plan)
    assert truth.scores.shape == truth.rows.shape == (1, k)
    assert truth.k == k


def test_a_shard_holds_its_codes_in_the_order_of_its_lists(tmp_path):
    plan = plan_in(tmp_path, "IVF8,SQ8")
    build_files(plan, IDS, VECTORS, [60])
    shard = finished_shards(plan)[1]
    codes, rows = (StoredArray.open(shard.path(end)) for end in (".codes.npy", ".rows.npy"))
    order = rows.rows(0, 90)
    encoded = trained(plan.key).encode(ADDED[60:])
    assert sorted(order.tolist()) == list(range(90))
    assert (np.diff(encoded.lists[order]) >= 0).all()
    assert (codes.rows(0, 90) == encoded.codes[order]).all()
