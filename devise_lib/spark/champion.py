"""Continuous training: a new model becomes the champion where it does better, and only there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from devise_lib import __version__, tracking
from devise_lib.errors import InputError
from devise_lib.numerics.validation import score_projections
from devise_lib.spark.devise import METHOD
from devise_lib.spark.folds import Fold
from devise_lib.training.bundle import ProjectionBundle, load_bundle
from devise_lib.training.model import requirements


@dataclass(frozen=True)
class Comparison:
    """A new model beside the champion.

    Attributes:
        wins: whether it is to be the champion.
        why: in words.
        score: of the champion, in the folds of today; None where the two are not compared.
    """

    wins: bool
    why: str
    score: float | None = None


def compare(new: ProjectionBundle, folds: Sequence[Fold], name: str) -> Comparison:
    """Whether the new model beats the registered champion on labels held out from both.

    A champion on the same backbone is asked anew, with the photos of today; of one on another
    backbone, the score counts that it was registered with. One that today's LABELS cannot be used
    with, or that was trained with labels that are held out today, is no rival.
    """
    champion = tracking.find_champion(name)
    if champion is None:
        return Comparison(True, "the first")
    try:
        old = tracking.fetch_extras(champion, load_bundle)
    except InputError as error:
        return Comparison(True, f"{champion.model_id} cannot be read: {error}")
    if old.words_id != new.words_id:
        return Comparison(True, f"{champion.model_id} is of other word vectors")
    if new.score is None or old.folds_id != new.folds_id:
        return Comparison(True, f"{champion.model_id} had other labels held out, or none")
    score = _ask(old, folds) if old.backbone_id == new.backbone_id else old.score
    if score is None:
        return Comparison(True, f"{champion.model_id} was trained without folds")
    wins = new.score > score
    why = f"{new.score:.4f} on labels held out, {champion.model_id} {score:.4f}"
    return Comparison(wins, why, score)


def register(
    bundle: ProjectionBundle, network: Any, name: str, version: int, beside: Comparison
) -> tracking.RegisteredModel:
    """The network in MLflow's registry, with what it was made from as tags.

    Args:
        bundle: its first projection is the model's.
        network: of Keras, from photos to unit embeddings.
        name: of the registered model.
        version: of FEATURES.
        beside: the champion.
    """
    size = network.input_shape[1]
    return tracking.register_keras(
        network,
        name,
        np.zeros((1, size, size, 3), dtype=np.float32),
        requirements(),
        bundle.save,
        {
            "backbone_id": bundle.backbone_id,
            "words_id": bundle.words_id,
            "features_version": str(version),
            "validation_score": str(bundle.score),
            "beside_champion": beside.why,
            "devise_lib": __version__,
        },
    )


def _ask(bundle: ProjectionBundle, folds: Sequence[Fold]) -> float | None:
    trials = bundle.trials(METHOD)
    if not trials.keys() >= {fold.number for fold in folds}:
        return None
    projections = [trials[fold.number] for fold in folds]
    return score_projections([fold.validation for fold in folds], projections).value
