"""Compares tags from a large vocabulary with an exact FAISS index of the words.

Both have all cores. The vectors are drawn at random, because exact search takes as long for any.
"""

import time

import faiss
import numpy as np

from benchmarks.rate import Rate
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.search.tagging import best_labels

PHOTOS, TAGS = 500, 10


def measure() -> list[Rate]:
    """Returns photos that are tagged per second, for vocabularies of two sizes and lengths."""
    return [_rate(words, d) for words, d in ((65_536, 100), (65_536, 300), (200_000, 300))]


def _rate(words: int, dimension: int) -> Rate:
    rng = np.random.default_rng(0)
    photos = l2_normalize(rng.standard_normal((PHOTOS, dimension), dtype=np.float32))
    vectors = l2_normalize(rng.standard_normal((words, dimension), dtype=np.float32))
    index = faiss.IndexFlatIP(dimension)
    index.add(vectors)
    best_labels(photos[:100], vectors, TAGS)  # warm
    started = time.perf_counter()
    found, _ = best_labels(photos, vectors, TAGS)
    ours = time.perf_counter() - started
    started = time.perf_counter()
    _, exact = index.search(photos, TAGS)
    peer = time.perf_counter() - started
    same = float((found == exact).mean())
    return Rate(
        f"{TAGS} tags of {words:,} words, {dimension}-D",
        "photos/s",
        PHOTOS / ours,
        PHOTOS / peer,
        f"faiss {faiss.__version__} IndexFlatIP",
        f"{same:.4f} of the tags are the same",
    )
