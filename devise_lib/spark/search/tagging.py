"""Tags photos on the workers: EMBEDDINGS and LABELS give PREDICTIONS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.search.tagging import best_labels
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.tables.schemas import PREDICTIONS
from devise_lib.spark.tables.vector_columns import to_matrix

CHOICES = {"all": "TRUE", "seen": "seen", "unseen": "NOT seen"}
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Candidates:
    """The labels to choose from, sorted, so that of equal ones the first by name wins.

    Attributes:
        labels, terms: (m,) strings.
        seen: (m,) booleans.
        vectors: (m, d) float32, unit L2 norm.
        left_out: number of labels without a vector, which cannot be chosen.
    """

    labels: NDArray[Any]
    terms: NDArray[Any]
    seen: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    left_out: int


def read_candidates(labels: DataFrame, candidates: str) -> Candidates:
    """Return the labels that have a vector, on the driver.

    21,000 labels of 300 numbers are 25 MB, because they come as Arrow's columns.

    Args:
        labels: LABELS, or the texts of a registered model in its form.
        candidates: "all", "seen" or "unseen".

    Raises:
        InputError: there is none.
    """
    chosen = dedupe_labels(labels).where(CHOICES[candidates])
    term = F.coalesce("term", "label").alias("term")
    found = chosen.select("label", term, "seen", "vector").orderBy("label").toArrow()
    rows = found.filter(found["vector"].is_valid()).combine_chunks()
    if not rows:
        which = "" if candidates == "all" else f"{candidates} "
        raise InputError(
            f"there is no {which}label with a vector, so there is nothing to choose from: "
            "run embed_labels on a label set that has one, or set predict_labels.candidates"
        )
    [batch] = rows.to_batches()
    vectors = batch.column("vector")
    return Candidates(
        labels=batch.column("label").to_numpy(zero_copy_only=False),
        terms=batch.column("term").to_numpy(zero_copy_only=False),
        seen=batch.column("seen").to_numpy(zero_copy_only=False),
        vectors=to_matrix(vectors, len(vectors[0])),
        left_out=len(found) - len(rows),
    )


def predict(embeddings: DataFrame, candidates: Candidates, k: int) -> DataFrame:
    """Return PREDICTIONS: for each photo the k labels with the greatest cosine.

    Args:
        embeddings: EMBEDDINGS of one model.
        candidates: the labels.
        k: labels per photo.

    Raises:
        InputError: there is no photo, or embeddings and label vectors differ in dimension.
    """
    first = embeddings.first()
    if first is None:
        raise InputError("EMBEDDINGS has no photo of this model: run embed_photos with it")
    have, want = len(first["embedding"]), candidates.vectors.shape[1]
    if have != want:
        raise InputError(
            f"the embeddings have {have} dimensions, but the label vectors {want}: the model was "
            "trained on other word vectors; run train_devise and embed_photos after embed_labels"
        )
    shared = embeddings.sparkSession.sparkContext.broadcast(candidates)
    chosen = embeddings.select("photo_id", "model_id", "embedding")
    return chosen.mapInArrow(_make_tag(shared, k), PREDICTIONS)


def _make_tag(shared: Broadcast[Candidates], k: int) -> Callable[[Batches], Batches]:
    """Return the function over batches of photos; each executor gets `shared` once."""

    def tag(batches: Batches) -> Batches:
        candidates = shared.value
        columns = (candidates.labels, candidates.terms, candidates.seen)
        labels, terms, seen = (pa.array(column.tolist()) for column in columns)
        for batch in batches:
            embeddings = to_matrix(batch.column("embedding"), candidates.vectors.shape[1])
            indices, scores = best_labels(embeddings, candidates.vectors, k)
            n, width = indices.shape
            found, photo = pa.array(indices.ravel()), pa.array(np.repeat(np.arange(n), width))
            rank = np.tile(np.arange(1, width + 1, dtype=np.int32), n)
            columns_of = {
                "photo_id": batch.column("photo_id").take(photo),
                "rank": pa.array(rank),
                "label": labels.take(found),
                "term": terms.take(found),
                "seen": seen.take(found),
                "score": pa.array(scores.ravel()),
                "model_id": batch.column("model_id").take(photo),
            }
            yield pa.RecordBatch.from_pydict({name: columns_of[name] for name in PREDICTIONS.names})

    return tag
