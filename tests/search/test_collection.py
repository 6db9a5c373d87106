"""A search goes on until it has found as many wanted photos as there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.collection import Collection
from devise_lib.search.photo_answers import Gallery, complete_gallery, find_similar
from tests.index.built import D, build_bundle

N, COPIES = 90, 40
RNG = np.random.default_rng(2)
OTHERS = l2_normalize(RNG.standard_normal((N - COPIES, D)).astype(np.float32))
VECTORS = np.concatenate([np.repeat(OTHERS[:1], COPIES, axis=0), OTHERS])  # 41 are one picture


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    place = tmp_path_factory.mktemp("copies") / "bundle"
    built = build_bundle(place, "IVF1,Flat", (N,), vectors=VECTORS, words={"x": OTHERS[0]})
    return Collection.open(str(built.folder))


@given(st.sets(st.integers(0, N - 1), max_size=N), st.integers(1, N), st.integers(1, 3))
def test_the_best_wanted_photos_are_those_that_every_cosine_gives(
    collection, unwanted, k, number_of_queries
):
    queries = OTHERS[1 : 1 + number_of_queries]
    refused = np.array(sorted(unwanted), np.int64)
    rows, scores = collection.best_wanted(queries, k, lambda rows: ~np.isin(rows, refused))
    vectors = collection.vectors_of(range(N))
    exact = (vectors @ queries.T).max(axis=1)
    exact[refused] = -np.inf
    wanted = min(k, N - len(refused))
    assert len(rows) == len(set(rows.tolist())) == wanted
    assert not set(rows.tolist()) & unwanted
    assert scores == pytest.approx(exact[rows], abs=1e-6)
    assert scores == pytest.approx(np.sort(exact)[::-1][:wanted], abs=1e-6)


def test_a_photo_with_many_copies_has_as_many_results_as_another(collection):
    ids = collection.ids_of(range(N))
    first = next(row for row in range(N) if np.allclose(collection.vectors_of([row]), OTHERS[0]))
    for k in (3, N - COPIES - 1):
        similar = find_similar(collection, ids[first], copies=0.9999, k=k).hits
        gallery = complete_gallery(collection, Gallery([ids[first]]), k).hits
        for hits in (similar, gallery):
            assert len(hits) == k
            assert max(hit.score for hit in hits) < 0.9999
    assert len(find_similar(collection, ids[first], copies=0.9999, k=N).hits) == N - COPIES - 1
    with_copies = find_similar(collection, ids[first], copies=2.0, k=COPIES).hits
    assert min(hit.score for hit in with_copies) > 0.9999
