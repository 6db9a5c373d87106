"""Labels to choose from, and what each method scores them with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.conse import conse, softmax
from devise_lib.numerics.linear import Compatibility
from devise_lib.numerics.vectors import FloatArray

METHOD, CONTROL = "devise", "random_embeddings"  # the names of the projection and its control


@dataclass(frozen=True)
class CandidateSet:
    """Labels to choose from.

    Attributes:
        labels: (m,) sorted.
        seen: (m,) whether photos of the label may be trained on.
        vectors: (m, d_word) unit rows: their word vectors.
        control_vectors: (m, d_word) unit rows: the control's random vectors.
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
    """Some of the labels of a candidate set, which a photo's label is looked for among.

    Attributes:
        name: unseen_only, seen_only, unseen_and_seen, or as the configuration calls it.
        label_set: the label set that they are of; "" for several.
        columns: (c,) their places in the candidate set, rising.
        valid: (v,) the places of the labels that hierarchical precision may call correct: those of
            `columns`, and the seen ones of the same label sets.
        photo_sets: the photo sets that are asked; empty for all.
    """

    name: str
    label_set: str
    columns: NDArray[np.int64]
    valid: NDArray[np.int64]
    photo_sets: tuple[str, ...] = ()


class Method(Protocol):
    """A way to score labels for photos."""

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """Features (n, d_visual) to scores (n, m), greater is better."""


@dataclass(frozen=True)
class ByWords:
    """Cosines with the labels' word vectors, or with a control's random ones.

    Attributes:
        compatibility: of features and label vectors.
        control: whether the label vectors are the random ones.
    """

    compatibility: Compatibility
    control: bool = False

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """See `Method`."""
        vectors = candidates.control_vectors if self.control else candidates.vectors
        return self.compatibility.scores(features, vectors)


@dataclass(frozen=True)
class SoftmaxLayer:
    """The last layer of a classifier.

    Attributes:
        kernel, bias: (d_visual, classes), (classes,).
        classes: the label of each class. None at all where the features are not what the classifier
            is linear in: it can then be neither compared with nor started from.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    classes: list[str]

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Features (n, d_visual) to (n, classes)."""
        return softmax(features @ self.kernel + self.bias)

    def class_vectors(self, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """The label vectors of the classes, (classes, d_word); zeros for one that has none."""
        found = np.zeros((len(self.classes), len(next(iter(vectors.values())))), np.float32)
        for row, label in zip(found, self.classes, strict=True):
            row[:] = vectors.get(label, 0.0)
        return found


@dataclass(frozen=True)
class BySoftmax:
    """The classifier itself: it can name its own classes only; other labels come last."""

    layer: SoftmaxLayer

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """See `Method`."""
        place = {label: column for column, label in enumerate(self.layer.classes)}
        columns = np.array([place.get(label, -1) for label in candidates.labels])
        scores = self.layer.probabilities(features)[:, columns]
        return np.where(columns >= 0, scores, -np.inf)


@dataclass(frozen=True)
class ByConse:
    """ConSE: cosines with the mean vector of the photo's likeliest classes.

    Attributes:
        layer: the classifier.
        class_vectors: (classes, d_word) unit word vectors; zeros for a class without one.
        t: classes taken a photo.
    """

    layer: SoftmaxLayer
    class_vectors: NDArray[np.float32]
    t: int

    def scores(self, features: FloatArray, candidates: CandidateSet) -> FloatArray:
        """See `Method`."""
        probabilities = self.layer.probabilities(features)
        return conse(probabilities, self.class_vectors, self.t) @ candidates.vectors.T
