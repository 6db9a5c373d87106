"""Continuous training: a new model becomes the champion only if it is clearly better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from devise_lib import __version__, model_store, tracking
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import METHOD
from devise_lib.numerics.paired import LabelScores, compare_labels
from devise_lib.numerics.validation import score_projections
from devise_lib.spark.features.folds import Fold, label_scores
from devise_lib.training.bundle import ProjectionBundle, load_bundle
from devise_lib.training.model import requirements

BY_HAND = "to take the new model all the same, give it the alias champion in MLflow"


@dataclass(frozen=True)
class PromotionDecision:
    """Whether a new model becomes the champion.

    Attributes:
        wins: whether it does.
        why: the reason, in words.
    """

    wins: bool
    why: str


def compare(new: ProjectionBundle, folds: Sequence[Fold], name: str) -> PromotionDecision:
    """Decide whether the new model is clearly better than the registered champion.

    Both models are scored on labels that neither was trained with. The scores are paired by label.
    The new model wins if its lead passes the test of `LabelComparison.is_clear`: a one-sided t test
    at 5 %, over labels and over folds. If no label can be compared, the champion stays.

    | champion | its scores |
    |---|---|
    | on the same backbone | those of its folds' projections on today's photos |
    | on another backbone | by label, as registered, on the photos of that day |
    | fine-tuned | by label, as registered, on the photos of that day, in the fold of its trial |
    | trained without folds | It has none, so any new model replaces it. |
    | with other word vectors | They mean something else, so it is replaced. |
    | its files are gone, damaged, or of another form | No job can use it, so it is replaced. |
    | the store does not give its files now | It stays. |

    A champion on another backbone is not scored again, because only the rows of FEATURES of the new
    backbone are read here. If photos have come or gone since, they cause part of the difference.

    Args:
        new: the bundle of the new model.
        folds: the folds that its scores are from.
        name: of the registered model.
    """
    champion = tracking.find_champion(name)
    if champion is None:
        return PromotionDecision(True, "the first")
    old_id = champion.model_id
    try:
        old = model_store.fetch_extras(champion, load_bundle)
    except model_store.UnusableModelError as error:
        return PromotionDecision(True, str(error))
    except InputError as error:
        return PromotionDecision(False, f"{error}: not compared; {BY_HAND}")
    if old.words_id != new.words_id:
        return PromotionDecision(True, f"{old_id} is of other word vectors")
    if not old.label_scores:
        return PromotionDecision(True, f"{old_id} was trained without folds")
    if not new.label_scores:
        why = f"trained without folds, and {old_id} has a score: give validation_folds"
        return PromotionDecision(False, why)
    if old.folds_id != new.folds_id:
        why = f"labels are held out as {new.folds_id!r}, but for {old_id} as {old.folds_id!r}"
        return PromotionDecision(False, f"{why}: not compared; {BY_HAND}")
    theirs = old.label_scores
    if old.backbone_id == new.backbone_id:
        theirs = _score_champion(old, folds) or theirs
    found = compare_labels(new.label_scores, theirs)
    if found is None:
        why = f"no label that is held out now has a score of {old_id} among the same labels"
        return PromotionDecision(False, f"{why}: not compared; {BY_HAND}")
    return PromotionDecision(found.is_clear, f"{found}, beside {old_id}")


def register(
    bundle: ProjectionBundle, network: Any, name: str, version: int, decision: PromotionDecision
) -> tracking.RegisteredModel:
    """Register the network in MLflow, with tags that say what it was made from.

    Args:
        bundle: its first projection is the model's.
        network: a Keras model from photos to unit embeddings.
        name: of the registered model.
        version: of FEATURES.
        decision: of the comparison with the champion.
    """
    size = network.input_shape[1]
    return model_store.register_keras(
        network,
        name,
        np.zeros((1, size, size, 3), dtype=np.float32),
        requirements(),
        bundle.save,
        {
            "backbone_id": bundle.backbone_id,
            tracking.WORDS_ID: bundle.words_id,
            "features_version": str(version),
            "validation_score": str(bundle.score),
            "beside_champion": decision.why,
            "devise_lib": __version__,
        },
    )


def _score_champion(bundle: ProjectionBundle, folds: Sequence[Fold]) -> LabelScores:
    """Return the champion's scores by label, in the folds that it has a projection for."""
    trials = bundle.trials(METHOD)
    mine = [fold for fold in folds if fold.number in trials]
    if not mine:
        return {}
    validations = [fold.validation for fold in mine]
    score = score_projections(validations, [trials[fold.number] for fold in mine])
    return label_scores(mine, score)
