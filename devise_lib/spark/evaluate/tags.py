"""How good tags from a vocabulary of all words are: the rank of the word that names the label."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.hubness import csls, nearest_means
from devise_lib.numerics.retrieval import rank_of_truth
from devise_lib.spark.evaluate.searched_photos import (
    ALL,
    CHANCE,
    MODEL,
    SearchedPhotos,
    Vocabulary,
)
from devise_lib.spark.tables.metrics_table import Metric

HITS = (1, 5, 10, 100)
NEAREST_PHOTOS = 10
SCORES_AT_ONCE = 4_000_000


def measure_tags(photos: SearchedPhotos) -> Iterator[Metric]:
    """Yields recall@k and the mean reciprocal rank of the right word among all words, and chance.

    Each photo has one right word, so recall@k is the share of photos that have it among their first
    k tags. Photos of labels that no single word names are left out; `photos` counts the others.
    """
    vocabulary = photos.vocabulary
    if vocabulary is None:
        return
    methods: dict[str, NDArray[np.float64] | None] = {MODEL: None}
    if len(vocabulary.bank):
        methods[f"{MODEL}+csls"] = nearest_means(
            vocabulary.bank, vocabulary.vectors, NEAREST_PHOTOS
        )
    for name, is_seen in (("seen", True), ("unseen", False)):
        asked = [
            row
            for row, label in enumerate(photos.labels.tolist())
            if label in vocabulary.row_of and (label in photos.seen) == is_seen
        ]
        if not asked:
            continue
        search = f"tags_of_all_words_{name}"
        words = len(vocabulary.vectors)
        for method, means in methods.items():
            yield from _of_ranks(method, search, _ranks(photos, vocabulary, asked, means), words)
        chance = np.arange(1, words + 1)  # every rank is as probable
        yield from _of_ranks(CHANCE, search, chance, words)
        yield Metric(MODEL, ALL, search, "photos", None, float(len(asked)))
        yield Metric(MODEL, ALL, search, "words", None, float(words))


def _ranks(
    photos: SearchedPhotos,
    vocabulary: Vocabulary,
    asked: list[int],
    means: NDArray[np.float64] | None,
) -> NDArray[np.int64]:
    step = max(1, SCORES_AT_ONCE // len(vocabulary.vectors))
    parts = []
    for start in range(0, len(asked), step):
        rows = asked[start : start + step]
        scores = photos.embeddings[rows] @ vocabulary.vectors.T
        if means is not None:
            scores = csls(scores, means)
        truth = np.array([vocabulary.row_of[label] for label in photos.labels[rows].tolist()])
        parts.append(rank_of_truth(scores, truth))
    return np.concatenate(parts)


def _of_ranks(method: str, search: str, ranks: NDArray[np.int64], words: int) -> Iterator[Metric]:
    for k in (k for k in HITS if k <= words):
        yield Metric(method, ALL, search, "recall", k, float((ranks <= k).mean()))
    yield Metric(method, ALL, search, "reciprocal_rank", None, float((1 / ranks).mean()))
