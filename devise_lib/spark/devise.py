"""The projection, trained on FEATURES by Horovod's ranks, with its control."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from devise_lib.config import TrainDevise
from devise_lib.errors import InputError
from devise_lib.numerics.linear import Moments
from devise_lib.spark.labelled import has_vector
from devise_lib.spark.ranks import require_row_groups, run_ranks
from devise_lib.spark.tables import Tables
from devise_lib.spark.word_space import id_of_labels
from devise_lib.training.projection import ProjectionPlan, Trained, train_projections

MOMENTS = "n long, x binary, xx binary, y binary, xy binary"
CONTROL = "random_embeddings"


@dataclass(frozen=True)
class DeviseTraining:
    """What training gives.

    Attributes:
        trained: the projections by method: "devise", and its control.
        control_vectors: by label, the random vectors that the control was trained towards.
        rows: features trained on.
        words_id: the word vectors that the labels' vectors were from.
    """

    trained: dict[str, Trained]
    control_vectors: dict[str, NDArray[np.float32]]
    rows: int
    words_id: str


def label_vectors(labels: DataFrame, column: str = "vector") -> dict[str, NDArray[np.float32]]:
    """The vector of every label that has one; as many as labels, never as photos.

    Args:
        labels: LABELS.
        column: "vector", or "random_vector" for the control.
    """
    rows = labels.where(has_vector()).select("label", column).distinct().collect()
    return {row["label"]: np.array(row[column], dtype=np.float32) for row in rows}


def training_labels(rows: DataFrame, vectors: dict[str, NDArray[np.float32]]) -> list[str]:
    """The labels of the training rows, in order.

    Raises:
        InputError: one has no vector, so FEATURES were made with other LABELS.
    """
    labels = sorted(row["label"] for row in rows.select("label").distinct().collect())
    if strange := [label for label in labels if label not in vectors]:
        raise InputError(
            f"FEATURES have labels without a vector in LABELS ({', '.join(strange[:5])}): LABELS "
            "changed since; run extract_features again"
        )
    return labels


def feature_moments(rows: DataFrame, targets: Broadcast[dict[str, NDArray[np.float32]]]) -> Moments:
    """Sums over features and the label vectors they belong to; each task sends one row of sums.

    Raises:
        InputError: there is no row.
    """

    def sum_up(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        total: Moments | None = None
        vectors = targets.value
        for batch in batches:
            x = np.stack(batch["feature"].to_list())
            part = Moments.of(x, np.stack([vectors[label] for label in batch["label"]]))
            total = part if total is None else total + part
        if total is not None:
            arrays = {n: [getattr(total, n).tobytes()] for n in ("x", "xx", "y", "xy")}
            yield pd.DataFrame({"n": [total.n], **arrays})

    total: Moments | None = None
    for row in rows.select("label", "feature").mapInPandas(sum_up, MOMENTS).toLocalIterator():
        x, y = np.frombuffer(row["x"]), np.frombuffer(row["y"])
        part = Moments(
            row["n"],
            x,
            np.frombuffer(row["xx"]).reshape(len(x), len(x)),
            y,
            np.frombuffer(row["xy"]).reshape(len(x), len(y)),
        )
        total = part if total is None else total + part
    if total is None:
        raise InputError("no feature to train on: no photo of a seen label that has a word vector")
    return total


def train_on_ranks(
    spark: SparkSession, config: TrainDevise, tables: Tables, version: int, backbone_id: str
) -> DeviseTraining:
    """Train the projection and its control on the rows of FEATURES that are for training.

    Args:
        version: of FEATURES.
        backbone_id: the network that the projection will stand on.

    Raises:
        InputError: FEATURES are of another network, or there are too few files or slots.
    """
    labels = tables.read("labels")
    vectors, control = label_vectors(labels), label_vectors(labels, "random_vector")
    rows = tables.read("features", version).where("split = 'train'")
    if rows.where(F.col("backbone_id") != backbone_id).limit(1).count():
        raise InputError(
            f"FEATURES are not of the backbone {backbone_id}: it was trained anew since; run "
            "extract_features again"
        )
    trained_on = training_labels(rows, vectors)
    files = rows.inputFiles()  # of that version, and of its training partition alone
    require_row_groups(
        files,
        config.ranks,
        "features",
        "lower extract_features.max_records_per_file, or train_devise.ranks",
    )
    moments = feature_moments(rows, spark.sparkContext.broadcast(vectors))
    mean, deviation = moments.mean_and_deviation()
    plan = ProjectionPlan(
        file_urls=files,
        rows=moments.n,
        labels=trained_on,
        targets={
            method: np.stack([source[label] for label in trained_on])
            for method, source in (("devise", vectors), (CONTROL, control))
        },
        mean=mean,
        deviation=deviation,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        margin=config.margin,
        violators=config.violators,
        normalize=config.normalize,
        dropout=config.dropout,
        seed=config.seed,
        threads=max(1, spark.sparkContext.defaultParallelism // config.ranks),
    )
    log_path = Path(config.work_dir) / "logs" / "train_devise.log"
    trained = run_ranks(spark, train_projections, plan, config.ranks, log_path)[0]
    return DeviseTraining(trained, control, moments.n, id_of_labels(labels))
