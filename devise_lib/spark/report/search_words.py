"""Words of WORD_VECTORS: those of given texts, and those by which the page's photos are found."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as F

from devise_lib.numerics.vectors import l2_normalize, stack_rows
from devise_lib.report.content import MapPoints, Photo, SearchMaterial
from devise_lib.search.text import LONGEST_PHRASE, UNWANTED_WEIGHT, candidate_terms
from devise_lib.spark.report.gallery_photos import nearest
from devise_lib.spark.report.model_space import ModelSpace
from devise_lib.text.tokens import words

MAX_WORDS = 4_000
WANTED_WORDS = 2_000  # of queries and labels, at most
FREQUENT_WORDS = 1_500
NEAR_LABELS, NEAR_WORDS = 100, 20  # labels whose nearest words are taken, and words of each

Vectors = Mapping[str, NDArray[np.float32]]


def terms_of(text: str) -> list[str]:
    """Return the words and phrases of a text that may have a vector."""
    return candidate_terms(words(text, numbers=True))


def read_vectors(space: ModelSpace, terms: Iterable[str], frequent: int = 0) -> Vectors:
    """Return the vectors of some words, and of the most frequent words.

    Args:
        space: of the model.
        terms: words and phrases; those without a vector are left out.
        frequent: how many of the most frequent words to add.

    Returns:
        Word vectors (d_word,) by word, the most frequent words first. Empty without WORD_VECTORS.
    """
    if not space.tables.exists("word_vectors"):
        return {}
    wanted = F.col("word").isin(list(dict.fromkeys(terms)))
    is_frequent = F.coalesce(F.col("rank") <= frequent, F.lit(False))
    rows = space.tables.read("word_vectors").where(wanted | is_frequent)
    found = rows.select("word", "vector", "rank").collect()
    found.sort(key=lambda row: (row["rank"] is None, row["rank"] or 0, row["word"]))
    return {row["word"]: np.array(row["vector"], np.float32) for row in found}


def collect_search(
    space: ModelSpace,
    texts: Sequence[str],
    photos: Sequence[Photo],
    points: MapPoints | None,
) -> SearchMaterial | None:
    """Return what the page's reader searches; None where texts have no vectors, or without photos.

    Words of the texts and of labels come first. Frequent words follow, mixed with the words that
    are nearest to the labels of the photos.

    Args:
        space: of the model.
        texts: the queries of the page.
        photos: of the page, each once, those of the galleries first.
        points: of the map, whose embeddings need not be read again.
    """
    if not space.of_words or not photos or not space.tables.exists("word_vectors"):
        return None
    shown = {photo.label for photo in photos}
    labels = sorted(space.labels, key=lambda row: row["label"] not in shown)
    with_photos = {*space.unseen, *space.seen}
    named = [row for row in labels if row["label"] in with_photos]
    label_terms = chain.from_iterable(terms_of(term) for row in named for term in row["terms"])
    query_terms = chain.from_iterable(map(terms_of, texts))
    wanted = list(dict.fromkeys([*query_terms, *label_terms]))[:WANTED_WORDS]
    near = _near_words(space, [row["vector"] for row in named if row["vector"]][:NEAR_LABELS])
    known = read_vectors(space, [*wanted, *near], FREQUENT_WORDS)
    known = {word: vector for word, vector in known.items() if len(vector) == space.dimension}
    mixed = chain.from_iterable(zip_longest(near, known))
    order = [word for word in dict.fromkeys([*wanted, *mixed]) if word in known][:MAX_WORDS]
    if not order:
        return None
    embeddings = _read_embeddings(space, photos, points)
    there = [photo for photo in photos if photo.photo_id in embeddings]
    return SearchMaterial(
        words=order,
        word_vectors=l2_normalize(np.stack([known[word] for word in order])),
        photos=there,
        embeddings=stack_rows([embeddings[photo.photo_id] for photo in there], space.dimension),
        longest_phrase=LONGEST_PHRASE,
        unwanted_weight=UNWANTED_WEIGHT,
    )


def _near_words(space: ModelSpace, vectors: Sequence[Sequence[float]]) -> list[str]:
    """Return the nearest words of each label: the nearest one of each, then the second ones."""
    if not vectors:
        return []
    table = space.tables.read("word_vectors")
    rows = table.where(F.size("vector") == space.dimension).select("word", "vector")
    found = nearest(rows, l2_normalize(stack_rows(vectors, space.dimension)), NEAR_WORDS)
    turns = zip_longest(*([word for word, _ in pairs] for pairs in found))
    return list(dict.fromkeys(word for turn in turns for word in turn if word is not None))


def _read_embeddings(
    space: ModelSpace, photos: Sequence[Photo], points: MapPoints | None
) -> dict[str, Sequence[float]]:
    """Return the embeddings by photo: those of the map, and those that must still be read."""
    found = {} if points is None else dict(zip(points.photo_ids, points.embeddings, strict=True))
    missing = [photo.photo_id for photo in photos if photo.photo_id not in found]
    rows = space.embeddings.where(F.col("photo_id").isin(missing))
    read = {
        row["photo_id"]: row["embedding"] for row in rows.select("photo_id", "embedding").collect()
    }
    return {**found, **read}
