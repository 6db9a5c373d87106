"""Sums over labelled features, which are all that the closed-form methods need of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray


@dataclass(frozen=True)
class ClassMoments:
    """Sums over the features X (n, d) of some classes.

    Moments can be added: each task sums its rows, and then the tasks' sums are added. Their size
    depends on the number of classes and on d, never on the number of rows.

    Attributes:
        labels: the classes that have features, sorted.
        counts: (c,), the number of features per class.
        sums: (c, d), the sum of the features per class.
        xx: (d, d), X'X.
    """

    labels: Sequence[str]
    counts: NDArray[np.int64]
    sums: FloatArray
    xx: FloatArray

    @classmethod
    def of(cls, features: FloatArray, labels: Sequence[str]) -> "ClassMoments":
        """Computes the sums over features (n, d) and the label of each."""
        x = features.astype(np.float64)
        names, place = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
        sums = np.zeros((len(names), x.shape[1]))
        np.add.at(sums, place, x)
        return cls([str(n) for n in names], np.bincount(place, minlength=len(names)), sums, x.T @ x)

    def __add__(self, other: "ClassMoments") -> "ClassMoments":
        labels = sorted({*self.labels, *other.labels})
        place = {label: row for row, label in enumerate(labels)}
        counts = np.zeros(len(labels), dtype=np.int64)
        sums = np.zeros((len(labels), len(self.xx)))
        for part in (self, other):
            rows = [place[label] for label in part.labels]
            counts[rows] += part.counts
            sums[rows] += part.sums
        return ClassMoments(labels, counts, sums, self.xx + other.xx)

    def bands(self, count: int) -> list["ClassMoments"]:
        """Cuts the sums into `count` bands of feature dimensions, with `sums` (c, b) and `xx` (b,
        d).

        Bands of the same dimensions can be added, as whole moments can.
        """
        cuts = np.linspace(0, len(self.xx), count + 1).astype(int)
        return [
            ClassMoments(self.labels, self.counts, self.sums[:, start:stop], self.xx[start:stop])
            for start, stop in pairwise(cuts)
        ]

    @classmethod
    def of_bands(cls, bands: Sequence["ClassMoments"]) -> "ClassMoments":
        """Joins all bands of some moments, in their order."""
        first = bands[0]
        sums = np.concatenate([band.sums for band in bands], axis=1)
        return cls(first.labels, first.counts, sums, np.concatenate([band.xx for band in bands]))

    @property
    def rows(self) -> int:
        """The number of features of all classes."""
        return int(self.counts.sum())

    @cached_property
    def mean(self) -> FloatArray:
        """The mean of all features, (d,)."""
        return np.asarray(self.sums.sum(0) / self.rows)

    @cached_property
    def deviation(self) -> FloatArray:
        """The standard deviation of each feature dimension, (d,); 1 for a constant one."""
        variance = np.maximum(np.diag(self.xx) / self.rows - self.mean**2, 0.0)
        deviation = np.sqrt(variance)
        return np.where(deviation > 1e-6, deviation, 1.0)

    def standardised(self) -> "ClassMoments":
        """Returns the same sums of Z = (X - mean) / deviation."""
        centred = self.xx - self.rows * np.outer(self.mean, self.mean)
        return ClassMoments(
            self.labels,
            self.counts,
            (self.sums - self.counts[:, None] * self.mean) / self.deviation,
            centred / np.outer(self.deviation, self.deviation),
        )

    def matrix_of(self, vectors: Mapping[str, NDArray[np.float32]]) -> FloatArray:
        """Returns the vectors of the classes, in the order of `labels`, (c, m)."""
        return np.stack([vectors[label] for label in self.labels]).astype(np.float64)
