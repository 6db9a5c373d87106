"""The photos and words on which searches are measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

MODEL, CHANCE = "devise", "chance"  # methods
ALL = "all"  # photo sets


@dataclass(frozen=True)
class Vocabulary:
    """All words that photos may be tagged with.

    Attributes:
        vectors: (w, d), unit L2 norm.
        row_of: label -> row of the word that names it; labels that no single word names are
            missing.
        bank: (b, d), unit L2 norm: embeddings of training photos, which tell hubs among words.
    """

    vectors: NDArray[np.float32]
    row_of: Mapping[str, int]
    bank: NDArray[np.float32]


@dataclass(frozen=True)
class SearchedPhotos:
    """Test photos that are searched.

    Attributes:
        embeddings: (n, d), unit L2 norm.
        features: (n, f), unit L2 norm, of the backbone.
        labels: (n,), of the photos.
        vectors: the unit vectors (d,) of labels.
        seen: labels that the model was trained on.
        seed: of what is drawn.
        near: for each label of the hierarchy the labels within two hops, itself included; empty
            without a hierarchy.
        vocabulary: None without word vectors.
    """

    embeddings: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.str_]
    vectors: Mapping[str, FloatArray]
    seen: frozenset[str]
    seed: int
    near: Mapping[str, frozenset[str]] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None
