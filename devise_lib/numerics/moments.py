"""Sums over labelled features: all that the closed-form methods need of the data."""

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

    They add, so each task sums its rows and the sums are summed. Their size is that of the classes
    and of the features' dimension, never that of the data.

    Attributes:
        labels: the classes that there are features of, sorted.
        counts: (c,) features of each.
        sums: (c, d) of the features of each class.
        xx: (d, d) X'X.
    """

    labels: Sequence[str]
    counts: NDArray[np.int64]
    sums: FloatArray
    xx: FloatArray

    @classmethod
    def of(cls, features: FloatArray, labels: Sequence[str]) -> "ClassMoments":
        """The sums over features (n, d) and the label of each."""
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
        """The same sums in so many bands of features, (c, b) and (b, d), which add as these do."""
        cuts = np.linspace(0, len(self.xx), count + 1).astype(int)
        return [
            ClassMoments(self.labels, self.counts, self.sums[:, start:stop], self.xx[start:stop])
            for start, stop in pairwise(cuts)
        ]

    @classmethod
    def of_bands(cls, bands: Sequence["ClassMoments"]) -> "ClassMoments":
        """All bands, in their order, put together."""
        first = bands[0]
        sums = np.concatenate([band.sums for band in bands], axis=1)
        return cls(first.labels, first.counts, sums, np.concatenate([band.xx for band in bands]))

    @property
    def rows(self) -> int:
        """Features in all."""
        return int(self.counts.sum())

    @cached_property
    def mean(self) -> FloatArray:
        """(d,)"""
        return np.asarray(self.sums.sum(0) / self.rows)

    @cached_property
    def deviation(self) -> FloatArray:
        """Standard deviation (d,); 1 of a feature that is constant."""
        variance = np.maximum(np.diag(self.xx) / self.rows - self.mean**2, 0.0)
        deviation = np.sqrt(variance)
        return np.where(deviation > 1e-6, deviation, 1.0)

    def standardised(self) -> "ClassMoments":
        """The same sums of Z = (X - mean) / deviation."""
        centred = self.xx - self.rows * np.outer(self.mean, self.mean)
        return ClassMoments(
            self.labels,
            self.counts,
            (self.sums - self.counts[:, None] * self.mean) / self.deviation,
            centred / np.outer(self.deviation, self.deviation),
        )

    def matrix_of(self, vectors: Mapping[str, NDArray[np.float32]]) -> FloatArray:
        """The vectors of the classes, in their order, (c, m)."""
        return np.stack([vectors[label] for label in self.labels]).astype(np.float64)
