import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devise_lib.index.building.products import Product
from devise_lib.index.building.shards import REJECTED, Queries, write_shard
from devise_lib.numerics.retrieval import top_k
from devise_lib.numerics.vectors import l2_normalize
from tests.embedded import clustered
from tests.index.built import D, batch_of, names, plan_in, put_trained, trained

N = 60
VECTORS = clustered(N, D, seed=2)
IDS = names(N)


def arrays_of(product: Product) -> dict[str, np.ndarray]:
    """The arrays of a shard's files, by the ends of their names."""
    start = len(product.name)
    arrays = [path for path in product.files if path.endswith(".npy")]
    return {path[start:]: np.load(f"{product.folder}/{path}") for path in arrays}


def rejected(product: Product) -> list[dict[str, str]]:
    """The rows of a shard's file of rejected photos, if it has one; they are as its marker says."""
    path = f"{product.name}{REJECTED}"
    rows = pq.read_table(f"{product.folder}/{path}").to_pylist() if path in product.files else []
    assert Counter(row["reason"] for row in rows) == product.values["rejected"]
    return rows


def shard_of(folder, batches, key="IVF8,SQ8", queries=("nobody",), vectors=VECTORS[:1], **changes):
    plan = plan_in(folder, key, **changes)
    put_trained(plan, trained(key), queries, vectors)
    return write_shard(plan, 0, batches)


def test_bad_embeddings_are_rejected_with_id_and_reason_and_the_rest_is_indexed(tmp_path):
    rows = [vector.tolist() for vector in VECTORS[:9]]
    rows[1], rows[2], rows[3] = None, rows[2][:-1], [0.0] * D
    rows[4][3], rows[5][0], rows[6][9] = None, math.nan, -math.inf
    made = shard_of(tmp_path, [batch_of(IDS[:9], rows)])
    found = {each["photo_id"]: each["reason"] for each in rejected(made)}
    assert found == {
        IDS[1]: "wrong_length",
        IDS[2]: "wrong_length",
        IDS[3]: "zero_vector",
        IDS[4]: "not_finite",
        IDS[5]: "not_finite",
        IDS[6]: "not_finite",
    }
    kept = [IDS[0], IDS[7], IDS[8]]
    arrays = arrays_of(made)
    assert [name.decode() for name in arrays[".ids.npy"].tolist()] == kept
    assert made.values["rows"] == arrays[".sizes.npy"].sum() == 3


def test_of_equal_ids_the_first_that_can_be_indexed_is_indexed(tmp_path):
    ids = [IDS[0], IDS[1], IDS[1], IDS[1], IDS[2]]
    rows = [VECTORS[0], np.zeros(D), VECTORS[1], VECTORS[5], VECTORS[2]]
    batches = [batch_of(ids[:3], rows[:3]), batch_of(ids[3:], rows[3:])]
    made = shard_of(tmp_path, batches)
    refused = [(each["photo_id"], each["reason"]) for each in rejected(made)]
    assert refused == [(IDS[1], "zero_vector"), (IDS[1], "duplicate_id")]
    assert [name.decode() for name in arrays_of(made)[".ids.npy"].tolist()] == IDS[:3]
    alone = shard_of(tmp_path / "alone", [batch_of(IDS[:3], VECTORS[:3])])
    assert (arrays_of(made)[".codes.npy"] == arrays_of(alone)[".codes.npy"]).all()


def test_vectors_are_scaled_to_unit_norm(tmp_path):
    scales = np.geomspace(1e-30, 1e30, N, dtype=np.float32)[:, None]
    made = shard_of(tmp_path, [batch_of(IDS, VECTORS * scales)], "IVF8,Flat")
    arrays = arrays_of(made)
    codes = arrays[".codes.npy"].view(np.float32)  # Flat keeps the vectors themselves
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(codes, VECTORS[arrays[".rows.npy"]], atol=1e-6)


@st.composite
def inputs(draw):
    """Rows of a shard, with the place of each vector or None for zeros, and the ends of batches."""
    rows = []
    for place in range(draw(st.integers(0, 12))):
        for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
            rows.append((IDS[place], draw(st.one_of(st.none(), st.integers(0, N - 1)))))
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    return rows, cuts


@given(inputs())
@settings(max_examples=30)
def test_a_shard_is_that_of_its_rows_one_by_one_however_batches_are_cut(given_rows):
    rows, cuts = given_rows
    indexed: dict[str, int] = {}
    for name, vector in rows:
        if vector is not None:
            indexed.setdefault(name, vector)
    vectors = [np.zeros(D) if vector is None else VECTORS[vector] for _, vector in rows]
    batches = [
        batch_of([name for name, _ in rows[start:stop]], vectors[start:stop])
        for start, stop in pairwise([0, *cuts, len(rows)])
    ]
    with TemporaryDirectory() as folder:
        made = shard_of(folder, batches)
        arrays, refused = arrays_of(made), rejected(made)
    assert [name.decode() for name in arrays[".ids.npy"].tolist()] == list(indexed)
    assert made.values["rows"] + len(refused) == len(rows)
    encoded = trained("IVF8,SQ8").encode(l2_normalize(VECTORS[list(indexed.values())]))
    order = arrays[".rows.npy"]
    assert (arrays[".codes.npy"] == encoded.codes[order]).all()
    assert arrays[".lists.npy"].tolist() == encoded.lists.tolist()
    assert arrays[".sizes.npy"].tolist() == np.bincount(encoded.lists, minlength=8).tolist()


def test_the_exact_results_of_the_queries_are_found_while_rows_are_encoded(tmp_path):
    queries = VECTORS[[3, 50]]
    batches = [batch_of(IDS[a:b], VECTORS[a:b]) for a, b in ((0, 20), (20, 20), (20, 60))]
    made = shard_of(tmp_path, batches, queries=[IDS[50], "nobody"], vectors=queries[::-1], k=4)
    arrays = arrays_of(made)
    rows, scores = top_k(queries[::-1], VECTORS, 4 * 4 + 1)  # more than k: see truth_depth
    assert arrays[".exact_rows.npy"].tolist() == rows.tolist()
    np.testing.assert_allclose(arrays[".exact_scores.npy"], scores, atol=1e-6)
    assert arrays[".own.npy"].tolist() == [50, -1]


def test_digests_are_the_first_60_bits_of_what_the_table_has(tmp_path):
    digests = ["0123456789abcdef" * 4, None, "f" * 64]
    made = shard_of(tmp_path, [batch_of(IDS[:3], VECTORS[:3], digests)])
    assert arrays_of(made)[".digests.npy"].tolist() == [0x0123456789ABCDE, 0, 2**60 - 1]


def test_the_residual_is_how_far_vectors_are_from_their_centroids(tmp_path):
    made = shard_of(tmp_path, [batch_of(IDS, VECTORS)])
    cosines = trained("IVF8,SQ8").encode(VECTORS).cosines
    assert made.values["residual"] == pytest.approx(float((1 - cosines).sum()), abs=1e-3)


@pytest.mark.parametrize("batches", [[], [batch_of([], [])], [batch_of(IDS[:1], [[0.0] * D])]])
def test_a_shard_without_a_photo_has_empty_files(tmp_path, batches):
    made = shard_of(tmp_path, batches)
    arrays = arrays_of(made)
    assert made.values["rows"] == 0
    assert arrays[".codes.npy"].shape == (0, D)
    assert arrays[".ids.npy"].dtype == "S12"
    assert arrays[".sizes.npy"].tolist() == [0] * 8
    assert arrays[".own.npy"].tolist() == [-1]


def test_a_shard_that_is_written_again_is_the_same(tmp_path):
    batch = batch_of(IDS, VECTORS)
    first = shard_of(tmp_path, [batch], "IVF8,PQ4x4,RFlat")
    assert shard_of(tmp_path, [batch], "IVF8,PQ4x4,RFlat") == first
    assert first.is_whole()
    assert arrays_of(first)[".refine.npy"].view(np.float32).shape == (N, D)
    assert not [path for path in Path(tmp_path).rglob("*") if path.name.startswith(".")]


def test_ids_are_kept_in_utf8_up_to_the_longest(tmp_path):
    ids = ["a", "\u00e9\u00e9", "\u72d7" * 4]
    made = shard_of(tmp_path, [batch_of(ids, VECTORS[:3])], id_bytes=12)
    assert [name.decode() for name in arrays_of(made)[".ids.npy"].tolist()] == ids


def test_queries_are_read_as_they_were_written(tmp_path):
    plan = plan_in(tmp_path)
    put_trained(plan, trained(plan.key), ["\u72d7", "b"], VECTORS[:2])
    found = Queries.of(plan)
    assert found.photo_ids.tolist() == ["\u72d7", "b"]
    assert (found.vectors == VECTORS[:2]).all()
