"""Tags of photos on the workers: EMBEDDINGS and LABELS to PREDICTIONS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.numerics.vectors import stack_rows
from devise_lib.search.tagging import best_labels
from devise_lib.spark.label_names import one_row_a_label
from devise_lib.spark.schemas import PREDICTIONS

CHOICES = {"all": "TRUE", "seen": "seen", "unseen": "NOT seen"}
Frames = Iterator[pd.DataFrame]


@dataclass(frozen=True)
class Candidates:
    """The labels to choose from, sorted by label so that ties go to the first by name.

    Attributes:
        labels, terms: (m,) strings.
        seen: (m,) booleans.
        vectors: (m, d) float32, unit L2 norm.
    """

    labels: NDArray[Any]
    terms: NDArray[Any]
    seen: NDArray[np.bool_]
    vectors: NDArray[np.float32]


def read_candidates(labels: DataFrame, candidates: str) -> Candidates:
    """The labels of LABELS that have a vector: all of them, the seen or the unseen ones.

    They come to the driver: 21,000 labels of 300 numbers are 25 MB.

    Raises:
        InputError: there is none.
    """
    rows = (
        one_row_a_label(labels)
        .where("vector IS NOT NULL")
        .where(CHOICES[candidates])
        .select("label", F.coalesce("term", "label").alias("term"), "seen", "vector")
        .orderBy("label")
        .collect()
    )
    if not rows:
        which = "" if candidates == "all" else f"{candidates} "
        raise InputError(
            f"LABELS has no {which}label with a vector, so there is nothing to choose from: "
            "run embed_labels on a label set that has one, or set predict_labels.candidates"
        )
    return Candidates(
        labels=np.array([row["label"] for row in rows], dtype=object),
        terms=np.array([row["term"] for row in rows], dtype=object),
        seen=np.array([row["seen"] for row in rows], dtype=bool),
        vectors=stack_rows([row["vector"] for row in rows], len(rows[0]["vector"])),
    )


def predict(embeddings: DataFrame, candidates: Candidates, k: int) -> DataFrame:
    """EMBEDDINGS to PREDICTIONS: the k labels of each photo with the greatest cosine."""
    shared = embeddings.sparkSession.sparkContext.broadcast(candidates)
    chosen = embeddings.select("photo_id", "model_id", "embedding")
    return chosen.mapInPandas(_make_tag(shared, k), PREDICTIONS)


def _make_tag(shared: Broadcast[Candidates], k: int) -> Callable[[Frames], Frames]:
    """The function over batches of photos; `shared` travels once to an executor."""

    def tag(batches: Frames) -> Frames:
        candidates = shared.value
        for batch in batches:
            rows = batch["embedding"].to_list()
            dimension = candidates.vectors.shape[1] if not rows else len(rows[0])
            indices, scores = best_labels(stack_rows(rows, dimension), candidates.vectors, k)
            n, width = indices.shape
            flat = indices.ravel()
            yield pd.DataFrame(
                {
                    "photo_id": np.repeat(batch["photo_id"].to_numpy(), width),
                    "rank": np.tile(np.arange(1, width + 1, dtype=np.int32), n),
                    "label": candidates.labels[flat],
                    "term": candidates.terms[flat],
                    "seen": candidates.seen[flat],
                    "score": scores.ravel(),
                    "model_id": np.repeat(batch["model_id"].to_numpy(), width),
                }
            )

    return tag
