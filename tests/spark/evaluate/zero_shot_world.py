"""A few labels, photos and methods, small enough to be worked out from the definitions."""

import numpy as np

from devise_lib.numerics.candidates import ByWords, CandidateSet, Choice
from devise_lib.numerics.linear import Affine, Compatibility, Projection
from devise_lib.numerics.vectors import l2_normalize

RNG = np.random.default_rng(6)
D, W = 5, 4  # of features, of words
SEEN, UNSEEN = ["ant", "bee", "cat"], ["dog", "elk"]
LABELS = sorted(SEEN + UNSEEN)
BACKBONE_ID = "backbone"


def units(rows: int, width: int = W) -> np.ndarray:
    return l2_normalize(RNG.standard_normal((rows, width)).astype(np.float32))


VECTORS = dict(zip(LABELS, units(len(LABELS)), strict=True))
CONTROLS = dict(zip([*LABELS, "fox"], units(len(LABELS) + 1), strict=True))
KNOWN = CandidateSet(
    LABELS,
    np.array([name in SEEN for name in LABELS]),
    np.stack([VECTORS[name] for name in LABELS]),
    np.stack([CONTROLS[name] for name in LABELS]),
)
PLACES = {
    name: np.array([KNOWN.place[label] for label in labels])
    for name, labels in (("seen_only", SEEN), ("unseen_only", UNSEEN), ("unseen_and_seen", LABELS))
}
CHOICES = [Choice(name, "s", columns, np.arange(len(LABELS))) for name, columns in PLACES.items()]


def draw_map(width: int = W) -> Projection:
    matrix = RNG.standard_normal((width, D)).astype(np.float32)
    return Projection((Affine(matrix, RNG.standard_normal(width).astype(np.float32)),))


def draw_method(control: bool = False) -> ByWords:
    return ByWords(Compatibility(draw_map()), control)


def label_row(name, seen, label_set="s", vector=True):
    """A row of LABELS."""
    values = VECTORS[name].tolist() if vector else None
    control = CONTROLS[name].tolist() if vector else None
    coverage = "exact" if vector else "missing"
    return name, label_set, [name], name, coverage, seen, [], values, control, "words"


def feature_row(number, label, feature, split="test", part=(None, False), photo_set="set"):
    """A row of FEATURES."""
    values = [float(x) for x in feature]
    seen = label in SEEN
    return f"p{number}", photo_set, label, seen, split, *part, BACKBONE_ID, values
