"""Test photos of a few labels, whose embeddings are recorded while a projection is trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.numerics.vectors import stack_rows
from devise_lib.spark.labels.sampling import choose_labels, sample_evenly

LABELS, PHOTOS_PER_LABEL = 8, 40


@dataclass(frozen=True)
class TrackedPhotos:
    """A bounded sample of FEATURES.

    Attributes:
        labels: of the n photos.
        features: (n, d_visual).
    """

    labels: Sequence[str]
    features: NDArray[np.float32]


def tracked_photos(features: DataFrame, backbone_id: str) -> TrackedPhotos | None:
    """Return test photos of the labels that have most of them, half of these labels unseen.

    There are at most LABELS * PHOTOS_PER_LABEL, and always the same ones.

    Args:
        features: FEATURES.
        backbone_id: only features of this backbone.

    Returns:
        The photos; None if there are no test photos.
    """
    test = features.where((F.col("split") == "test") & (F.col("backbone_id") == backbone_id))
    counts = test.groupBy("label", "seen").count().collect()  # as many as labels
    counts.sort(key=lambda row: (-row["count"], row["label"]))
    unseen, seen = ([r["label"] for r in counts if r["seen"] is known] for known in (False, True))
    chosen = choose_labels(unseen, seen, LABELS)
    wanted = test.where(F.col("label").isin(chosen)).select("photo_id", "label", "feature")
    rows = sample_evenly(wanted, "label", LABELS * PHOTOS_PER_LABEL, PHOTOS_PER_LABEL).collect()
    if not rows:
        return None
    rows.sort(key=lambda row: (chosen.index(row["label"]), row["photo_id"]))
    matrix = stack_rows([row["feature"] for row in rows], len(rows[0]["feature"]))
    return TrackedPhotos([row["label"] for row in rows], matrix)
