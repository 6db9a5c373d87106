"""Vets and orders photos that were submitted for a brief: a text, and photos as examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError
from devise_lib.numerics.relevance import area_under_curve
from devise_lib.numerics.vectors import FloatArray
from devise_lib.search_choices import ExamplePooling

SLACK = 1e-4  # A photo's score differs by less from one call of the network to another.


@dataclass(frozen=True)
class Threshold:
    """The least score of an accepted photo, and how well it separates those it was fitted to.

    Attributes:
        score: photos of at least this score are accepted.
        balanced_accuracy: the mean of the share of accepted photos above it and of rejected photos
            below it, on the photos that it was fitted to: a little too good for others.
        area: under the ROC curve: the probability that an accepted photo has a greater score than a
            rejected one. It depends on no threshold.
    """

    score: float
    balanced_accuracy: float
    area: float


def brief_scores(
    embeddings: FloatArray,
    brief: FloatArray | None,
    examples: FloatArray | None = None,
    *,
    text_weight: float = 0.5,
    pooling: ExamplePooling = "max",
) -> NDArray[np.float64]:
    """Returns how well each photo fits a brief, (n,).

    The score is text_weight * (cosine with the text) + (1 - text_weight) * (pooled cosine with the
    examples). If the brief has a text alone, or examples alone, the score is theirs.

    Args:
        embeddings: (n, d), unit L2 norm.
        brief: (d,), the unit vector of a text; None without.
        examples: (m, d), unit L2 norm; None or (0, d) without.
        text_weight: in [0, 1].
        pooling: "max" asks for one example that is like the photo, "mean" for all of them.

    Raises:
        InputError: there is neither a text nor an example, or the weight is not in [0, 1].
    """
    if not 0 <= text_weight <= 1:
        raise InputError(f"text_weight is {text_weight}, want it in [0, 1]")
    photos = np.asarray(embeddings, np.float64)
    parts = []
    if brief is not None:
        parts.append(photos @ brief)
    if examples is not None and len(examples):
        cosines = photos @ examples.T.astype(np.float64)
        parts.append(cosines.max(axis=1) if pooling == "max" else cosines.mean(axis=1))
    if not parts:
        raise InputError("want a text or photos as examples of a brief; got neither")
    if len(parts) == 1:
        return np.asarray(parts[0])
    return np.asarray(text_weight * parts[0] + (1 - text_weight) * parts[1])


def fit_threshold(accepted: FloatArray, rejected: FloatArray) -> Threshold:
    """Returns the score that best separates accepted from rejected photos.

    It has the greatest balanced accuracy, and lies midway between the two scores beside it, or
    SLACK below all. Of several that are as good, the lowest is taken, so that a photo in doubt is
    seen by a person.

    Args:
        accepted: (a,), scores of accepted photos, at least one.
        rejected: (r,), scores of rejected photos, at least one.

    Raises:
        InputError: a kind of photos is missing, or a score is not finite.
    """
    if not len(accepted) or not len(rejected):
        raise InputError(
            f"want accepted and rejected photos to fit a threshold to; got {len(accepted)} and "
            f"{len(rejected)}"
        )
    scores = np.concatenate([accepted, rejected])
    if not np.isfinite(scores).all():
        raise InputError("want finite scores to fit a threshold to; some are NaN or infinite")
    values = np.unique(scores)
    cuts = np.concatenate([values[:1] - SLACK, (values[:-1] + values[1:]) / 2])
    above = (accepted >= cuts[:, None]).mean(axis=1)  # (c,)
    below = (rejected < cuts[:, None]).mean(axis=1)
    balanced = (above + below) / 2
    best = int(balanced.argmax())
    area = area_under_curve(scores, np.arange(len(scores)) < len(accepted))
    return Threshold(float(cuts[best]), float(balanced[best]), area)
