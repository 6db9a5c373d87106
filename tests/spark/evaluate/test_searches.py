"""The measures of searches need no Spark: they are functions of arrays."""

import numpy as np
import pytest

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.evaluate.searches import K, SearchedPhotos, measure_searches

LABELS = ("bear", "car", "dog", "eagle", "fox", "goat")
D, EACH = 12, 40


def world(noise, seed=0):
    """Photos that lie about the vectors of their labels; features are embeddings, turned."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(LABELS, EACH)
    vectors = dict(zip(LABELS, np.eye(D, dtype=np.float32), strict=False))
    places = np.stack([vectors[label] for label in labels])
    embeddings = l2_normalize(places + noise * rng.standard_normal((len(labels), D)))
    turn = np.linalg.qr(rng.standard_normal((D, D)))[0]
    features = (embeddings @ turn).astype(np.float32)
    seen = frozenset(LABELS[:4])
    return SearchedPhotos(embeddings.astype(np.float32), features, labels, vectors, seen, seed)


def figures(photos):
    return {(m.method, m.candidate_set, m.metric): m.value for m in measure_searches(photos)}


def test_photos_that_lie_at_their_labels_are_all_found():
    found = figures(world(noise=0.02))
    searches = ("text_to_image_seen", "text_to_image_unseen", "similar_photos")
    for search in searches:
        for metric in ("precision", "average_precision", "ndcg", "reciprocal_rank"):
            assert found["devise", search, metric] == 1.0
    assert found["devise", "text_to_image_seen", "recall"] == K / EACH
    assert found["features", "similar_photos", "precision"] == 1.0
    for seeds in (1, 2, 5, 10):
        assert found["devise+mean", f"gallery_of_{seeds}", "precision"] == 1.0
        assert found["devise+mean", f"gallery_of_{seeds}", "recall"] == pytest.approx(
            K / (EACH - seeds)
        )
    assert found["devise+text", "submissions", "area_under_curve"] == 1.0
    assert found["devise+top", "photographers", "first"] == 1.0


def test_controls_know_nothing():
    found = figures(world(noise=0.02))
    for search in ("text_to_image_seen", "text_to_image_unseen"):
        assert found["chance", search, "precision"] == pytest.approx(1 / 6)
    near_chance = found["random_vectors", "similar_photos", "precision"]
    assert near_chance == pytest.approx(1 / 6, abs=0.03)
    assert found["random_vectors", "submissions", "area_under_curve"] == pytest.approx(0.5, abs=0.2)
    assert found["most_photos", "photographers", "first"] <= 0.5


def test_noise_makes_all_of_them_worse_and_themes_want_several_centres():
    clean, noisy = figures(world(noise=0.1)), figures(world(noise=0.6))
    for key, value in clean.items():
        if key[0].startswith("devise") and key[2] in ("ndcg", "area_under_curve"):
            assert noisy[key] < value + 1e-9, key
    two = "gallery_of_two_themes"
    assert noisy["devise+centroids", two, "ndcg"] > noisy["devise+medoid", two, "ndcg"]


def test_all_is_reproduced_and_few_photos_give_what_they_can():
    photos = world(noise=0.3)
    assert measure_searches(photos) == measure_searches(photos)
    few = SearchedPhotos(
        photos.embeddings[:3], photos.features[:3], photos.labels[:3], {}, frozenset(), 0
    )
    names = {m.candidate_set for m in measure_searches(few)}
    assert names == {"similar_photos", "gallery_of_1", "gallery_of_2"}
    one = SearchedPhotos(
        photos.embeddings[:1], photos.features[:1], photos.labels[:1], {}, frozenset(), 0
    )
    assert measure_searches(one) == []


def test_a_copy_of_the_query_counts_as_the_query():
    photos = world(noise=0.3)
    doubled = SearchedPhotos(
        np.repeat(photos.embeddings[::4], 2, axis=0),
        np.repeat(photos.features[::4], 2, axis=0),
        np.repeat(photos.labels[::4], 2),
        photos.vectors,
        photos.seen,
        0,
    )
    plain = figures(doubled)["devise", "similar_photos", "reciprocal_rank"]
    assert plain < 1.0  # The copy would always be the first.
