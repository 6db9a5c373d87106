"""Candidate labels, and the methods that score them for a photo."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.conse import conse, softmax
from devise_lib.numerics.linear import Compatibility
from devise_lib.numerics.vectors import FloatArray

METHOD, CONTROL = "devise", "random_embeddings"  # names of the projection and of its control


@dataclass(frozen=True)
class CandidateSet:
    """The labels that a method scores.

    Attributes:
        labels: (m,), sorted.
        seen: (m,), whether photos of the label may be trained on.
        vectors: (m, d_word), unit rows: the labels' word vectors.
        control_vectors: (m, d_word), unit rows: the random vectors of the control.
    """

    labels: list[str]
    seen: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    control_vectors: NDArray[np.float32]

    @cached_property
    def place(self) -> dict[str, int]:
        """The row of each label."""
        return {label: row for row, label in enumerate(self.labels)}


@dataclass(frozen=True)
class Choice:
    """A subset of a candidate set, among which a photo's label is searched.

    Attributes:
        name: unseen_only, seen_only, unseen_and_seen, or a name from the configuration.
        label_set: the label set of the labels; "" if they come from several.
        columns: (c,), the labels' columns in the candidate set, rising.
        valid: (v,), the columns of the labels that hierarchical precision may count as correct:
            `columns`, and the seen labels of the same label sets.
        photo_sets: the photo sets whose photos are tested; empty for all.
    """

    name: str
    label_set: str
    columns: NDArray[np.int64]
    valid: NDArray[np.int64]
    photo_sets: tuple[str, ...] = ()


class Method(Protocol):
    """A method that scores labels for photos."""

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """Maps features (n, d_visual) to scores (n, m) of the candidates, greater is better."""


@dataclass(frozen=True)
class ByWords:
    """Scores labels by the cosine with their word vectors, or with the random ones of a control.

    Attributes:
        compatibility: compares features and label vectors.
        control: whether the label vectors are the random ones.
    """

    compatibility: Compatibility
    control: bool = False

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """Returns the cosines (n, m) of features (n, d_visual) and candidates."""
        vectors = candidates.control_vectors if self.control else candidates.vectors
        return self.compatibility.scores(features, vectors)


@dataclass(frozen=True)
class SoftmaxLayer:
    """The last layer of a classifier.

    Attributes:
        kernel: (d_visual, classes).
        bias: (classes,).
        classes: the label of each class. It is empty where the classifier is not linear in the
            features; such a layer can neither be compared with nor be used as a start.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    classes: list[str]

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Maps features (n, d_visual) to class probabilities (n, classes)."""
        return softmax(features @ self.kernel + self.bias)

    def class_vectors(self, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Returns the label vectors of the classes, (classes, d_word); zeros for a class without
        one.
        """
        found = np.zeros((len(self.classes), len(next(iter(vectors.values())))), np.float32)
        for row, label in zip(found, self.classes, strict=True):
            row[:] = vectors.get(label, 0.0)
        return found


@dataclass(frozen=True)
class BySoftmax:
    """Scores labels by the classifier itself, which knows its own classes only."""

    layer: SoftmaxLayer

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """Returns the class probabilities (n, m) of the candidates; -inf for a label without a
        class.
        """
        place = {label: column for column, label in enumerate(self.layer.classes)}
        columns = np.array([place.get(label, -1) for label in candidates.labels])
        scores = self.layer.probabilities(features)[:, columns]
        return np.where(columns >= 0, scores, -np.inf)


@dataclass(frozen=True)
class ByConse:
    """Scores labels by ConSE: cosines with the mean vector of the photo's likeliest classes.

    Attributes:
        layer: the classifier.
        class_vectors: (classes, d_word), unit word vectors; zeros for a class without one.
        t: the number of classes per photo.
    """

    layer: SoftmaxLayer
    class_vectors: NDArray[np.float32]
    t: int

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """Returns the cosines (n, m) of the ConSE embeddings of features (n, d_visual) and
        candidates.
        """
        probabilities = self.layer.probabilities(features)
        return conse(probabilities, self.class_vectors, self.t) @ candidates.vectors.T
