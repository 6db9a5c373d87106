"""The measures of searches need no Spark: they are functions of arrays."""

from dataclasses import replace

import numpy as np
import pytest

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.evaluate.searched_photos import SearchedPhotos, Vocabulary
from devise_lib.spark.evaluate.searches import K, measure_searches

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
    for seeds in (1, 5):
        near_chance = found["random_vectors", f"gallery_of_{seeds}", "precision"]
        assert near_chance == pytest.approx(
            found["chance", f"gallery_of_{seeds}", "precision"], abs=0.15
        )
    assert found["most_photos", "photographers", "first"] <= 0.5
    assert 1 / 4 <= found["devise+top", "photographers", "exposure_share"] <= 1


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


def doubled(photos, step):
    """Every `step`-th photo, twice."""
    parts = (photos.embeddings, photos.features, photos.labels)
    twice = (np.repeat(part[::step], 2, axis=0) for part in parts)
    return SearchedPhotos(*twice, photos.vectors, photos.seen, 0)


def test_a_copy_of_the_query_is_neither_found_nor_missed():
    found = figures(doubled(world(noise=0.02), 4))
    for search in ("similar_photos", "gallery_of_1", "gallery_of_5"):
        method = "devise" if search == "similar_photos" else "devise+mean"
        for metric in ("precision", "average_precision", "ndcg", "reciprocal_rank"):
            assert found[method, search, metric] == 1.0, (search, metric)
    # A pair of copies per label: nothing is left to be found by the embeddings.
    alone = figures(doubled(world(noise=0.02), EACH))
    assert ("devise", "similar_photos", "precision") not in alone
    assert ("devise+mean", "gallery_of_1", "precision") not in alone


def with_words(photos, rng, bank=200):
    """The photos beside a vocabulary: the labels' own words among many others."""
    others = l2_normalize(rng.standard_normal((60, D)))
    vectors = np.concatenate([others, *(photos.vectors[label][None] for label in LABELS)])
    row_of = {label: len(others) + row for row, label in enumerate(LABELS[:-1])}  # one has no word
    hubs = photos.embeddings[rng.integers(len(photos.labels), size=bank)]
    return replace(photos, vocabulary=Vocabulary(vectors.astype(np.float32), row_of, hubs))


def test_tags_are_found_among_all_words_and_chance_is_small():
    found = figures(with_words(world(noise=0.05), np.random.default_rng(1)))
    for search, photos in (("seen", 4 * EACH), ("unseen", EACH)):
        name = f"tags_of_all_words_{search}"
        assert found["devise", name, "reciprocal_rank"] == 1.0
        assert found["devise", name, "photos"] == photos
        assert found["devise", name, "words"] == 66
        wanted = sum(1 / rank for rank in range(1, 67)) / 66
        assert found["chance", name, "reciprocal_rank"] == pytest.approx(wanted)


def test_the_rank_of_a_tag_is_that_of_every_score():
    photos = with_words(world(noise=0.5), np.random.default_rng(1))
    found = {(m.method, m.candidate_set, m.metric, m.k): m.value for m in measure_searches(photos)}
    words, bank = photos.vocabulary.vectors.astype(float), photos.vocabulary.bank.astype(float)
    ranks = {"devise": [], "devise+csls": []}
    hub = [np.mean(sorted(bank @ word)[-10:]) for word in words]
    for label, embedding in zip(photos.labels, photos.embeddings.astype(float), strict=True):
        if label in photos.vocabulary.row_of and label in photos.seen:
            row = photos.vocabulary.row_of[label]
            plain = words @ embedding
            for method, scores in (("devise", plain), ("devise+csls", 2 * plain - hub)):
                ranks[method].append(1 + int((scores > scores[row]).sum()))
    for method, mine in ranks.items():
        search = "tags_of_all_words_seen"
        for k in (1, 5, 10):
            wanted = np.mean([rank <= k for rank in mine])
            assert found[method, search, "recall", k] == pytest.approx(wanted, abs=0.01)
        wanted = np.mean([1 / rank for rank in mine])
        assert found[method, search, "reciprocal_rank", None] == pytest.approx(wanted, abs=0.01)


def test_texts_against_hubs_rank_photos_as_every_cosine_says():
    plain = world(noise=1.5)
    assert ("devise+csls", "text_to_image_seen", "precision") not in figures(plain)
    photos = with_words(plain, np.random.default_rng(1))
    found = figures(photos)
    for search, asked in (("seen", LABELS[:4]), ("unseen", LABELS[4:])):
        texts = [photos.vectors[label] for label in asked]
        words = photos.vocabulary.vectors.astype(float)
        bank = [word for word in words if max(word @ text for text in texts) < 0.99999]
        hub = [np.mean(sorted(bank @ photo)[-10:]) for photo in photos.embeddings.astype(float)]
        shares = []
        for label, text in zip(asked, texts, strict=True):
            scores = 2 * photos.embeddings.astype(float) @ text - hub
            best = np.argsort(-scores, kind="stable")[:K]
            shares.append(np.mean(photos.labels[best] == label))
        name = f"text_to_image_{search}"
        assert found["devise+csls", name, "precision"] == pytest.approx(np.mean(shares), abs=0.03)
        assert found["devise+csls", name, "ndcg"] != found["devise", name, "ndcg"]


def test_graded_gains_are_by_the_hierarchy():
    """Photos of a near label count half: the best order has those of the label first."""
    near = {"bear": frozenset({"bear", "dog"}), "eagle": frozenset({"eagle"})}
    photos = replace(world(noise=0.02), near=near)
    found = figures(photos)
    assert found["devise", "text_to_image_seen", "graded_ndcg"] == 1.0
    chance = found["chance", "text_to_image_seen", "graded_ndcg"]
    assert found["random_vectors", "text_to_image_seen", "graded_ndcg"] < 0.5
    # 40 photos of 240 gain 3 and, for the bear, 40 others gain 1; ten places are all full at best.
    assert chance == pytest.approx(((3 * 40 + 40) / 240 / 3 + 40 / 240) / 2)
    assert ("devise", "text_to_image_unseen", "graded_ndcg") not in found
    assert "graded_ndcg" not in {key[2] for key in figures(world(noise=0.02))}
