"""Searches beside what every cosine gives: wanted photos, lossy codes, hubs among words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.collection import Collection
from devise_lib.search.photo_answers import (
    Gallery,
    complete_gallery,
    find_similar,
    find_tags,
    find_text,
)
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


def test_fewer_photos_than_were_asked_for_are_told(collection):
    ids = collection.ids_of(range(N))
    answer = find_similar(collection, ids[0], copies=-2.0, k=5)
    assert not answer.hits
    assert answer.notes[-1].startswith(f"only 0 photos are left of all {N} photos")


@pytest.fixture(scope="module")
def lossy(tmp_path_factory):
    """Codes of four bits per number, two segments, and some photos removed."""
    place = tmp_path_factory.mktemp("lossy") / "bundle"
    words = {"x": OTHERS[0], "y": OTHERS[1]}
    sizes, removed = (60, 30), (3, 70)
    built = build_bundle(
        place, "IVF1,SQ4", sizes, removed=removed, vectors=VECTORS[RNG.permutation(N)], words=words
    )
    return Collection.open(str(built.folder))


def test_scores_of_lossy_codes_are_cosines_in_their_order(lossy):
    ids = [each for row, each in enumerate(lossy.ids_of(range(N))) if row not in (3, 70)]
    for answer in (
        find_similar(lossy, ids[5], copies=2.0, k=20),
        find_text(lossy, "x", "", 20),
        complete_gallery(lossy, Gallery([ids[5], ids[60]]), 20),
    ):
        scores = [hit.score for hit in answer.hits]
        assert len(scores) == 20
        assert max(scores) <= 1
        assert scores == sorted(scores, reverse=True)
        assert {hit.photo_id for hit in answer.hits} <= set(ids)
    [vector] = lossy.embed_photos([ids[5]])
    rows, cosines = lossy.best(vector[None], 20)
    assert cosines == pytest.approx((lossy.vectors_of(rows) @ vector).tolist(), abs=1e-6)


def test_tags_against_hubs_rank_lower_what_is_near_to_many_photos(tmp_path):
    """Scores are those of CSLS by hand: twice the cosine, less the mean of the ten nearest photos.

    Thirty photos lie at the hub. It is nearer to the asked photo than the photo's own word is.
    """
    at = np.zeros((4, D), np.float32)
    at[:, :3] = [[0.8, 0.6, 0], [0.6, 0.8, 0], [0.2, 0.9, 0.39], [0, 0, 1]]
    hub, asked, own, far = l2_normalize(at)
    vectors = np.concatenate([np.repeat(hub[None], 30, axis=0), asked[None], far[None]])
    words = {"hub": hub, "own": own, "far": far}
    built = build_bundle(tmp_path / "bundle", "IVF1,Flat", (32,), vectors=vectors, words=words)
    collection = Collection.open(str(built.folder))
    photo = built.ids[30]
    plain = find_tags(collection, [photo], 3, "words").hits
    assert [hit.name for hit in plain] == ["hub", "own", "far"]
    cosines = vectors @ np.stack(list(words.values())).T
    means = np.sort(cosines, axis=0)[-10:].mean(axis=0)
    wanted = dict(zip(words, (2 * cosines[30] - means).tolist(), strict=True))
    csls = find_tags(collection, [photo], 3, "words", against_hubs=True).hits
    assert {hit.name: hit.score for hit in csls} == pytest.approx(wanted, abs=1e-5)
    assert [hit.name for hit in csls] == ["own", "hub", "far"]


def test_a_tag_says_how_many_similar_photos_have_it(collection):
    answer = find_tags(collection, [collection.ids_of([0])[0]], 1, "words")
    [hit] = answer.hits
    assert hit.why == (("share of 20 similar photos", 1.0),)
    assert len(hit.why_photos) == 1


@pytest.mark.parametrize("text", ["St. Bernard", "jack-o'-lantern", "a dog that waits for its man"])
def test_a_label_with_signs_or_of_many_words_is_one_term(tmp_path, text):
    words = dict(zip([text, "dog", "man"], OTHERS, strict=False))
    built = build_bundle(tmp_path / "bundle", "IVF1,Flat", (N,), vectors=VECTORS, words=words)
    collection = Collection.open(str(built.folder))
    assert collection.embed_text(text).vector == pytest.approx(OTHERS[0], abs=1e-6)
    assert collection.embed_text(text.upper()).vector == pytest.approx(OTHERS[0], abs=1e-6)
