"""Continuous training: a new model becomes the champion where it does better, and only there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from devise_lib import __version__, tracking
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import METHOD
from devise_lib.numerics.validation import score_projections
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

    A champion on the same backbone is asked anew, with the photos of today; of another the score
    counts that it was registered with, as it does where other labels are held out today. With one
    that was fine-tuned the new model is compared in the fold that this was scored in. One of other
    word vectors, or without a score, is no rival; a new model without a score beats no other.
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
    if old.score is None:
        return Comparison(True, f"{champion.model_id} was trained without folds")
    if new.score is None:
        why = f"trained without folds, and {champion.model_id} has a score: give validation_folds"
        return Comparison(False, why, old.score)
    mine, theirs, where = new.score, old.score, "each on labels of its own"
    if old.folds_id == new.folds_id:
        where = "on labels held out"
        if old.score_fold is not None:
            common = [fold for fold in folds if fold.number == old.score_fold]
            mine = _ask(new, common, mine)
        elif old.backbone_id == new.backbone_id:
            theirs = _ask(old, folds, theirs)
    why = f"{mine:.4f} {where}, {champion.model_id} {theirs:.4f}"
    return Comparison(mine > theirs, why, theirs)


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


def _ask(bundle: ProjectionBundle, folds: Sequence[Fold], known: float) -> float:
    """Its score in these folds; what is known where it has no projection for one of them."""
    trials = bundle.trials(METHOD)
    if not folds or not trials.keys() >= {fold.number for fold in folds}:
        return known
    projections = [trials[fold.number] for fold in folds]
    return score_projections([fold.validation for fold in folds], projections).value
