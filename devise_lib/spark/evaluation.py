"""Where each method puts the right label of each test photo: METRICS of the zero-shot tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.numerics.conse import conse, softmax
from devise_lib.numerics.linear import Projection
from devise_lib.numerics.retrieval import rank_of_truth
from devise_lib.numerics.vectors import FloatArray, stack_rows
from devise_lib.spark.devise import CONTROL
from devise_lib.spark.labelled import has_vector
from devise_lib.spark.metrics import Metric
from devise_lib.training.bundle import ProjectionBundle

RANKS = "photo_set string, label_set string, candidate_set string, method string, rank long"
METHODS = ("devise", "ridge", "conse", CONTROL)


@dataclass(frozen=True)
class CandidateSet:
    """Labels to choose from.

    Attributes:
        name: unseen_only, seen_only, unseen_and_seen.
        label_set: the set that they are of.
        labels: (m,) sorted.
        vectors: (m, d_word) unit rows: their word vectors.
        control_vectors: (m, d_word) unit rows: the control's random vectors.
    """

    name: str
    label_set: str
    labels: list[str]
    vectors: NDArray[np.float32]
    control_vectors: NDArray[np.float32]


@dataclass(frozen=True)
class Methods:
    """All that a task needs to embed features by every method.

    Attributes:
        bundle: the trained projection, its control and the softmax.
        ridge: the closed-form map.
        class_vectors: (classes, d_word) of the softmax's classes; zeros for one without a vector.
        conse_t: classes that ConSE takes a photo.
    """

    bundle: ProjectionBundle
    ridge: Projection
    class_vectors: NDArray[np.float32]
    conse_t: int

    def embed(self, features: FloatArray) -> dict[str, NDArray[np.float32]]:
        """Features (n, d_visual) to unit embeddings (n, d_word) by method."""
        bundle = self.bundle
        probabilities = softmax(features @ bundle.kernel + bundle.bias)
        return {
            "devise": bundle.projections["devise"].embed(features),
            "ridge": self.ridge.embed(features),
            "conse": conse(probabilities, self.class_vectors, self.conse_t),
            CONTROL: bundle.projections[CONTROL].embed(features),
        }


def candidate_sets(
    labels: DataFrame, control: Mapping[str, NDArray[np.float32]]
) -> list[CandidateSet]:
    """The unseen labels, the seen, and both, of each label set; only those with a vector.

    Args:
        labels: LABELS; labels may have come since the model was trained.
        control: by label, the random vectors that the model's control was trained towards.

    Raises:
        InputError: LABELS have another random vector for a label of the control's.
    """
    columns = ("label_set", "label", "seen", "vector", "random_vector")
    rows = labels.where(has_vector()).select(*columns).collect()
    _refuse_another_control(rows, control)
    sets = []
    for label_set in sorted({row["label_set"] for row in rows}):
        mine = sorted(
            (r for r in rows if r["label_set"] == label_set), key=lambda r: str(r["label"])
        )
        unseen, seen = [r for r in mine if not r["seen"]], [r for r in mine if r["seen"]]
        choices = {"unseen_only": unseen, "seen_only": seen}
        if unseen and seen:
            choices["unseen_and_seen"] = mine
        for name, chosen in choices.items():
            if chosen:
                vectors = np.array([r["vector"] for r in chosen], dtype=np.float32)
                names = [r["label"] for r in chosen]
                randoms = np.array([r["random_vector"] for r in chosen], dtype=np.float32)
                sets.append(CandidateSet(name, label_set, names, vectors, randoms))
    return sets


def _refuse_another_control(rows: list[Row], control: Mapping[str, NDArray[np.float32]]) -> None:
    """Raise InputError where the control was trained towards other random vectors."""
    other = sorted(
        row["label"]
        for row in rows
        if row["label"] in control
        and not np.array_equal(
            np.array(row["random_vector"], dtype=np.float32), control[row["label"]]
        )
    )
    if other:
        raise InputError(
            f"LABELS have other random vectors than the model's control ({', '.join(other[:5])}): "
            "embed_labels ran with another seed since; run it with the seed of then, or run "
            "train_devise again"
        )


def ranks_of_truth(
    spark: SparkSession, features: DataFrame, methods: Methods, candidates: list[CandidateSet]
) -> DataFrame:
    """One row a test photo, method and candidate set: the rank of the right label, from 1.

    Args:
        features: FEATURES of the test split.
        methods: the maps.
        candidates: label sets; a photo is ranked in those that hold its label.
    """
    shared = spark.sparkContext.broadcast((methods, candidates))

    def rank(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        maps, sets = shared.value
        for batch in batches:
            rows = batch["feature"].to_list()
            embedded = maps.embed(stack_rows(rows, len(rows[0]))) if rows else {}
            group = batch["photo_set"] + np.where(batch["seen"], " seen", " unseen")
            for candidate_set in sets:
                yield from _rank_in(candidate_set, batch["label"], group, embedded)

    return features.select("photo_set", "seen", "label", "feature").mapInPandas(rank, RANKS)


def _rank_in(
    candidates: CandidateSet,
    labels: "pd.Series[str]",
    group: "pd.Series[str]",
    embedded: dict[str, NDArray[np.float32]],
) -> Iterator[pd.DataFrame]:
    place = {label: i for i, label in enumerate(candidates.labels)}
    truth = labels.map(place)
    inside = truth.notna().to_numpy()
    if not inside.any():
        return
    for method, vectors in embedded.items():
        targets = candidates.control_vectors if method == CONTROL else candidates.vectors
        scores = vectors[inside] @ targets.T
        yield pd.DataFrame(
            {
                "photo_set": group[inside],
                "label_set": candidates.label_set,
                "candidate_set": candidates.name,
                "method": method,
                "rank": rank_of_truth(scores, truth[inside].to_numpy().astype(np.int64)),
            }
        )


def hit_metrics(
    ranks: DataFrame, candidates: list[CandidateSet], ks: tuple[int, ...]
) -> list[Metric]:
    """Flat hit@k of every method and of chance, with the number of photos: rows of METRICS."""
    size = {(c.label_set, c.name): len(c.labels) for c in candidates}
    hits = [F.avg((F.col("rank") <= k).cast("double")).alias(f"hit_{k}") for k in ks]
    by = ("photo_set", "label_set", "candidate_set", "method")
    metrics: list[Metric] = []
    for row in ranks.groupBy(*by).agg(F.count("*").alias("photos"), *hits).orderBy(*by).collect():
        photo_set, candidate_set, method = row["photo_set"], row["candidate_set"], row["method"]
        metrics += [Metric(method, photo_set, candidate_set, "hit", k, row[f"hit_{k}"]) for k in ks]
        if method == METHODS[0]:  # the same for all, so once
            labels = size[row["label_set"], candidate_set]
            metrics += [
                Metric("chance", photo_set, candidate_set, "hit", k, min(1.0, k / labels))
                for k in ks
            ]
            metrics += [
                Metric(method, photo_set, candidate_set, "photos", None, row["photos"]),
                Metric(method, photo_set, candidate_set, "candidates", None, labels),
            ]
    return metrics
