"""The test photos on which searches are measured: a sample that the driver holds."""

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.numerics.linear import Projection
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.evaluate.searches import SearchedPhotos
from devise_lib.spark.labels.lookup import dedupe_labels
from devise_lib.spark.labels.splits import has_vector


def sample_photos(
    test: DataFrame, labels: DataFrame, projection: Projection, number: int, seed: int
) -> SearchedPhotos:
    """Return a random sample of the test photos with their embeddings and labels.

    The driver holds their features, and the vectors of their labels.

    Args:
        test: FEATURES of the test split.
        labels: LABELS.
        projection: of the model.
        number: of photos, at most.
        seed: of the sample.
    """
    by_hash = F.xxhash64("photo_id", F.lit(seed))
    rows = test.select("photo_id", "label", "feature").orderBy(by_hash, "photo_id").limit(number)
    taken = rows.select("label", "feature").toArrow()
    names = np.array(taken["label"].to_pylist(), dtype=str)
    features = np.array(taken["feature"].to_pylist(), np.float32).reshape(len(names), -1)
    there = F.col("label").isin(np.unique(names).tolist())
    known = dedupe_labels(labels.where(there)).where(has_vector())
    found = known.select("label", "vector", "seen").collect()
    return SearchedPhotos(
        projection.embed(features) if len(names) else features,
        l2_normalize(features),
        names,
        {row["label"]: l2_normalize(np.array([row["vector"]], np.float32))[0] for row in found},
        frozenset(row["label"] for row in found if row["seen"]),
        seed,
    )
