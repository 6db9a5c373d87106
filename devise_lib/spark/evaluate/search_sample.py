"""The test photos on which searches are measured: a sample that the driver holds, and all words."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from devise_lib.config.reporting import Evaluate
from devise_lib.numerics.hierarchy import Hierarchy
from devise_lib.numerics.linear import Projection
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.evaluate.searched_photos import SearchedPhotos, Vocabulary
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.labels.splits import has_vector
from devise_lib.spark.labels.word_space import id_of_labels, id_of_words
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.vector_columns import to_matrix
from devise_lib.text.labels.hierarchy import read_edges
from devise_lib.text.tokens import words

NEAR_HOPS = 2  # is-a edges within which labels are near each other
BANK = 1_000  # training photos by which hubs among words are told
MAX_WORDS = 200_000  # the commonest ones


def sample_photos(
    tables: Tables,
    training: DataFrame,
    test: DataFrame,
    projection: Projection,
    config: Evaluate,
) -> SearchedPhotos:
    """Return a random sample of the test photos with their embeddings and labels.

    The driver holds their features, the vectors of their labels, and the commonest words.

    Args:
        tables: with LABELS and, for words, WORD_VECTORS.
        training: FEATURES of the training split.
        test: FEATURES of the test split.
        projection: of the model.
        config: of the job.
    """
    labels = tables.read("labels")
    names, features = _sample(test, config.search_photos, config.seed)
    there = F.col("label").isin(np.unique(names).tolist())
    found = dedupe_labels(labels.where(there)).where(has_vector()).collect()
    hierarchy = Hierarchy(read_edges(config.hierarchy) if config.hierarchy else ())
    asked = [row["label"] for row in found if row["label"] in hierarchy]
    _, bank = _sample(training, BANK, config.seed)
    return SearchedPhotos(
        projection.embed(features) if len(names) else features,
        l2_normalize(features),
        names,
        {row["label"]: l2_normalize(np.array([row["vector"]], np.float32))[0] for row in found},
        frozenset(row["label"] for row in found if row["seen"]),
        config.seed,
        {label: hierarchy.within(label, NEAR_HOPS) for label in asked},
        _read_vocabulary(tables, labels, found, projection.embed(bank) if len(bank) else bank),
    )


def _sample(
    features: DataFrame, number: int, seed: int
) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """Return the labels (n,) and features (n, f) of at most `number` photos, drawn by chance."""
    by_hash = F.xxhash64("photo_id", F.lit(seed))
    rows = features.select("photo_id", "label", "feature").orderBy(by_hash, "photo_id")
    taken = rows.limit(number).select("label", "feature").toArrow()
    names = np.array(taken["label"].to_pylist(), dtype=str)
    if not len(names):
        return names, np.empty((0, 0), np.float32)
    return names, to_matrix(taken["feature"].combine_chunks(), len(taken["feature"][0]))


def _read_vocabulary(
    tables: Tables, labels: DataFrame, found: Iterable[Row], bank: NDArray[np.float32]
) -> Vocabulary | None:
    """Return the commonest words; None where WORD_VECTORS are not those that LABELS are made of."""
    if not tables.exists("word_vectors"):
        return None
    table = tables.read("word_vectors")
    if id_of_words(table) != id_of_labels(labels):
        return None
    commonest = table.where("vector IS NOT NULL").orderBy("rank", "word").limit(MAX_WORDS)
    taken = commonest.select("word", "vector").toArrow()
    vectors = np.array(taken["vector"].combine_chunks().flatten(), np.float32)
    row_of = {word: row for row, word in enumerate(taken["word"].to_pylist())}
    named = {row["label"]: "_".join(words(row["term"], numbers=True)) for row in found}
    return Vocabulary(
        l2_normalize(vectors.reshape(len(row_of), -1)),
        {label: row_of[word] for label, word in named.items() if word in row_of},
        bank,
    )
