"""FEATURES for training: sums over the features of each part, and the vectors of their labels."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from operator import add
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row

from devise_lib.errors import InputError
from devise_lib.numerics.moments import ClassMoments
from devise_lib.spark.labels.splits import has_vector
from devise_lib.spark.tables.vector_columns import to_matrix

MOMENTS = (
    "fold int, is_validation_photo boolean, band int, labels array<string>, counts binary, "
    "sums binary, xx binary"
)
BAND = 2**20  # about so many numbers of a part's sums travel as one row: 8 MB
Part = tuple[int | None, bool]  # columns fold and is_validation_photo
Vectors = Mapping[str, NDArray[np.float32]]


def label_vectors(labels: DataFrame, column: str = "vector") -> Vectors:
    """Return the vector of every label that has one, (d,) float32.

    Args:
        labels: LABELS.
        column: "vector", or "random_vector" for the control.
    """
    rows = labels.where(has_vector()).select("label", column).distinct().collect()
    return {row["label"]: np.array(row[column], dtype=np.float32) for row in rows}


def collect_features(
    rows: DataFrame, columns: Sequence[str]
) -> tuple[NDArray[np.float32], list[tuple[Any, ...]]]:
    """Collect a bounded sample of features on the driver.

    It uses Arrow, because as Python's numbers they would take eight times the memory.

    Args:
        rows: with feature and the columns.
        columns: to collect as well.

    Returns:
        The features, (n, d_visual), and the values of the columns of each row.
    """
    table = rows.select(*columns, "feature").toArrow()
    features = table["feature"].combine_chunks()
    dimension = len(features[0]) if len(table) else 0
    others = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return to_matrix(features, dimension), list(others)


def feature_labels(rows: DataFrame, vectors: Vectors) -> list[str]:
    """Return the labels of rows of FEATURES, sorted.

    Args:
        rows: of FEATURES.
        vectors: those of LABELS, by label.

    Raises:
        InputError: a label has no vector, because FEATURES was made with other LABELS.
    """
    labels = sorted(row["label"] for row in rows.select("label").distinct().collect())
    require_vectors(labels, vectors)
    return labels


def require_vectors(labels: Iterable[str], known: Container[str]) -> None:
    """Raise InputError if FEATURES was made with other LABELS.

    Args:
        labels: of FEATURES.
        known: labels with a vector in LABELS.

    Raises:
        InputError: a label has no vector; the message lists some.
    """
    if strange := sorted(label for label in labels if label not in known):
        raise InputError(
            f"FEATURES has {len(strange)} labels without a vector in LABELS "
            f"({', '.join(strange[:5])}): LABELS has changed since; run extract_features again, or "
            "embed_labels with the earlier label sets and word vectors"
        )


def feature_moments(rows: DataFrame) -> dict[Part, ClassMoments]:
    """Return the sums over the features of each part, which tasks add up.

    The sums travel in bands, so that Spark holds a few megabytes at a time. 4,096 features, as of
    an activation map, have sums of 134 MB per part. As one row per part these were too much for a
    driver of 2 GB.

    Args:
        rows: fold, is_validation_photo, label, feature.

    Raises:
        InputError: there is no row.
    """
    first = rows.select("feature").first()
    if first is None:
        raise InputError("no feature to train on: no photo of a seen label that has a word vector")
    bands = -(-(len(first["feature"]) ** 2) // BAND)

    def sum_up(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        totals: dict[Part, ClassMoments] = {}
        for batch in batches:
            for (fold, kept), part in batch.groupby(["fold", "is_validation_photo"], dropna=False):
                features = np.stack(part["feature"].to_list())
                moments = ClassMoments.of(features, part["label"].to_list())
                own = None if pd.isna(fold) else int(fold), bool(kept)
                totals[own] = totals[own] + moments if own in totals else moments
        for (fold, kept), total in totals.items():
            for number, band in enumerate(total.bands(bands)):
                arrays = (band.counts, band.sums, band.xx)
                values = [fold, kept, number, band.labels, *(array.tobytes() for array in arrays)]
                yield pd.DataFrame(dict(zip(_COLUMNS, ([value] for value in values), strict=True)))

    sums = rows.select("fold", "is_validation_photo", "label", "feature").mapInPandas(
        sum_up, MOMENTS
    )
    added = sums.rdd.map(_from_row).reduceByKey(add, bands).toLocalIterator()
    found: dict[Part, dict[int, ClassMoments]] = {}
    for (part, number), band in added:
        found.setdefault(part, {})[number] = band
    return {
        part: ClassMoments.of_bands([of_part[number] for number in sorted(of_part)])
        for part, of_part in found.items()
    }


_COLUMNS = ("fold", "is_validation_photo", "band", "labels", "counts", "sums", "xx")


def _from_row(row: Row) -> tuple[tuple[Part, int], ClassMoments]:
    counts = np.frombuffer(row["counts"], dtype=np.int64)
    sums = np.frombuffer(row["sums"]).reshape(len(counts), -1)
    xx = np.frombuffer(row["xx"]).reshape(sums.shape[1], -1)
    moments = ClassMoments(row["labels"], counts, sums, xx)
    return ((row["fold"], row["is_validation_photo"]), row["band"]), moments


def total_moments(parts: Iterable[ClassMoments]) -> ClassMoments:
    """Return the sums over all parts. There must be at least one part."""
    first, *others = parts
    for other in others:
        first = first + other
    return first
