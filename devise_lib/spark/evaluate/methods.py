"""The methods of the zero-shot tables, each with the settings that did best on labels held out.

Tasks that rank photos import this module, so it imports neither TensorFlow nor MLflow.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from devise_lib.config.reporting import Evaluate
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import (
    CONTROL,
    METHOD,
    ByConse,
    BySoftmax,
    ByWords,
    CandidateSet,
    Method,
    SoftmaxLayer,
)
from devise_lib.numerics.closed_form import ClosedForms, by_classifier, classifier_weights
from devise_lib.numerics.hubness import csls, mean_of_nearest
from devise_lib.numerics.linear import Compatibility, Projection
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.validation import Score, choose_by_one_standard_error
from devise_lib.numerics.vectors import FloatArray
from devise_lib.spark.features.folds import Fold, TrainingFeatures, make_folds
from devise_lib.spark.features.moments import collect_features, label_vectors
from devise_lib.training.bundle import ProjectionBundle

BLOCK = 1_000  # photos of a bank that are scored at once
NEAREST = 10  # nearest photos that a label's mean is over, as in the paper of CSLS
CSLS, CALIBRATED = "+csls", "+calibrated"

MakeMethod = Callable[["TrainingStats", tuple[float, ...]], Method]
MethodSpec = tuple[str, MakeMethod, list[tuple[float, ...]]]  # with name and settings to try


@dataclass(frozen=True)
class TrainingStats:
    """What a method may know: the whole training, or the training without labels held out.

    Attributes:
        forms: the closed forms of the features' sums.
        layer: the backbone's softmax.
        class_vectors: (classes, d_word), of the softmax's classes; zeros for those that have no
            vector or are held out.
        bank: (b, d_visual), a bounded sample of the features, for CSLS.
    """

    forms: ClosedForms
    layer: SoftmaxLayer
    class_vectors: NDArray[np.float32]
    bank: NDArray[np.float32]


@dataclass(frozen=True)
class FittedMethod:
    """A method with all that the tables need.

    Attributes:
        name: value of the column `method` of METRICS.
        seed: of its training; None if it has none.
        method: trained on all training photos.
        gammas: penalty on seen labels, plain ("") and with CSLS; empty if none is known.
        label_means: (m,), CSLS's means of all labels; None for no CSLS, as with a softmax.
        settings: those that were chosen on the labels held out.
    """

    name: str
    seed: int | None
    method: Method
    gammas: Mapping[str, float] = field(default_factory=dict)
    label_means: NDArray[np.float64] | None = None
    settings: tuple[float, ...] = ()

    def variants(self, scores: FloatArray) -> Iterator[tuple[str, FloatArray, float | None]]:
        """Give name, scores (n, m) and penalty of each variant: plain, with CSLS, calibrated."""
        adjusted = {"": scores}
        if self.label_means is not None:
            adjusted[CSLS] = csls(scores, self.label_means)
        for suffix, values in adjusted.items():
            yield self.name + suffix, values, None
            if suffix in self.gammas:
                yield self.name + suffix + CALIBRATED, values, self.gammas[suffix]


def select_methods(
    features: DataFrame,
    labels: DataFrame,
    bundle: ProjectionBundle,
    known: CandidateSet,
    config: Evaluate,
) -> list[FittedMethod]:
    """Return every method, fitted: DeViSE and its control by seed, then the closed forms.

    Methods of the backbone's softmax are left out if it is not linear in the features.

    Args:
        features: FEATURES of the training split.
        labels: LABELS.
        bundle: of the model.
        known: every label that may be an answer.
        config: the settings to choose from.

    Raises:
        InputError: there are settings to choose, but no photos to choose by.
    """
    vectors, control = label_vectors(labels), label_vectors(labels, "random_vector")
    training = TrainingFeatures.of(features, vectors, control, bundle.layer)
    folds = make_folds(training, config.validation_photos, config.folds)
    selection = _ModelSelection(*_training_stats(training, folds, config.csls_bank_size), known)
    specs = _closed_forms(config)
    if bundle.layer.classes:
        specs += _by_the_softmax(config)
    found = [*_trained(bundle, selection), *(selection.choose(*spec) for spec in specs)]
    if bundle.layer.classes:
        found.append(FittedMethod("softmax", None, BySoftmax(bundle.layer)))
    return found


def _trained(bundle: ProjectionBundle, selection: "_ModelSelection") -> Iterator[FittedMethod]:
    """Yield the model and its control by seed. Their trials have one seed, so the penalties too."""
    gammas: dict[str, Mapping[str, float]] = {}
    for name in (METHOD, CONTROL):
        trials = {fold: _by_words(one, name) for fold, one in bundle.trials(name).items()}
        gammas[name] = selection.gammas(trials)
    if bundle.penalty is not None:
        gammas[METHOD] = {"": bundle.penalty}
    for one in bundle.trained:
        if one.fold is None:
            method = _by_words(one.projection, one.method)
            yield selection.fitted(one.method, one.seed, method, gammas[one.method])


def chosen_settings(methods: Sequence[FittedMethod]) -> dict[str, list[float]]:
    """Return the chosen settings of each method that has any, by MLflow parameter."""
    return {f"chosen_{one.name}": list(one.settings) for one in methods if one.settings}


def chosen_penalties(methods: Sequence[FittedMethod]) -> dict[str, float]:
    """Return the penalties on seen labels, by the name of an MLflow metric."""
    return {
        "gamma_"
        + (one.name + suffix).replace("+", "_")
        + ("" if one.seed is None else f"_seed_{one.seed}"): gamma
        for one in methods
        for suffix, gamma in one.gammas.items()
    }


def _by_words(projection: Projection, method: str) -> Method:
    return ByWords(Compatibility(projection), method == CONTROL)


def _closed_forms(config: Evaluate) -> list[MethodSpec]:
    one: list[tuple[float, ...]] = [(s,) for s in config.regularization]
    two: list[tuple[float, ...]] = list(product(config.regularization, config.regularization))

    def simple(solve: Callable[..., Compatibility]) -> MakeMethod:
        return lambda stats, s: ByWords(solve(stats.forms, *s))

    return [
        ("ridge", simple(ClosedForms.ridge), one),
        ("ridge_reversed", simple(ClosedForms.ridge_reversed), one),
        ("eszsl", simple(ClosedForms.eszsl), two),
        ("sae", simple(ClosedForms.sae), one),
        ("sae_reversed", simple(ClosedForms.sae_reversed), one),
    ]


def _by_the_softmax(config: Evaluate) -> list[MethodSpec]:
    return [
        ("classifier_ridge", _by_classifier, [(s,) for s in config.regularization]),
        ("conse", _conse, [(float(t),) for t in config.conse_top_t]),
    ]


def _by_classifier(stats: TrainingStats, settings: tuple[float, ...]) -> Method:
    moments = stats.forms.moments
    weights = classifier_weights(
        stats.layer.kernel, moments.deviation, stats.class_vectors, *settings
    )
    return ByWords(by_classifier(moments, weights))


def _conse(stats: TrainingStats, settings: tuple[float, ...]) -> Method:
    return ByConse(stats.layer, stats.class_vectors, int(settings[0]))


def _training_stats(
    training: TrainingFeatures, folds: Sequence[Fold], bank_size: int
) -> tuple[TrainingStats, list[tuple[Fold, TrainingStats]]]:
    """Return what a method may know in the end, and in each fold."""
    layer = training.layer
    sample = training.rows.orderBy(F.xxhash64("photo_id")).limit(bank_size)
    bank, parts = collect_features(sample, ("fold", "is_validation_photo"))

    def stats(
        moments: ClassMoments, bank: NDArray[np.float32], held_out: set[str]
    ) -> TrainingStats:
        known = {k: v for k, v in training.vectors.items() if k not in held_out}
        forms = ClosedForms(moments, moments.matrix_of(known))
        return TrainingStats(forms, layer, layer.class_vectors(known), bank)

    tried = []
    for fold in folds:
        fit = bank[[number != fold.number and not kept for number, kept in parts]]
        tried.append((fold, stats(fold.moments, fit, fold.validation.held_out)))
    return stats(training.total, bank, set()), tried


class _ModelSelection:
    """Chooses settings on labels held out, and finds penalty and label means of each method."""

    def __init__(
        self, every: TrainingStats, folds: Sequence[tuple[Fold, TrainingStats]], known: CandidateSet
    ) -> None:
        self._every, self._folds, self._known = every, folds, known

    def choose(
        self, name: str, make: MakeMethod, choices: Sequence[tuple[float, ...]]
    ) -> FittedMethod:
        """Return the method with the settings that do best, or are as good as the best."""
        if not self._folds and len(choices) > 1:
            raise InputError(
                f"evaluate has {len(choices)} settings of {name} to choose from, but FEATURES "
                "has no photos to choose by: give validation_folds and run extract_features "
                "again, or give one value of evaluate.regularization and conse_top_t"
            )
        settings, trials = choices[0], dict[int, Method]()
        if self._folds:
            tried = [{f.number: make(stats, c) for f, stats in self._folds} for c in choices]
            place = choose_by_one_standard_error([self._score(each) for each in tried])
            settings, trials = choices[place], tried[place]
        return self.fitted(name, None, make(self._every, settings), self.gammas(trials), settings)

    def fitted(
        self,
        name: str,
        seed: int | None,
        method: Method,
        gammas: Mapping[str, float],
        settings: tuple[float, ...] = (),
    ) -> FittedMethod:
        """Return the method with its penalties and its label means."""
        means = _label_means(method, self._every.bank, self._known)
        return FittedMethod(name, seed, method, gammas, means, settings)

    def gammas(self, trials: Mapping[int, Method]) -> dict[str, float]:
        """Return the penalties of a method's trials, plain and with CSLS; empty without trials."""
        if not any(fold.number in trials for fold, _ in self._folds):
            return {}
        return {
            "": self._score(trials).gamma,
            CSLS: self._score(trials, adjusted=True).gamma,
        }

    def _score(self, trials: Mapping[int, Method], adjusted: bool = False) -> Score:
        """Return the score of the trials, in the folds that have one; adjusted: with CSLS."""
        found = []
        for fold, stats in self._folds:
            if fold.number not in trials:
                continue  # Training used fewer folds.
            trial, validation = trials[fold.number], fold.validation
            scores = trial.scores(validation.features, validation.candidates)
            if adjusted:
                scores = csls(scores, _label_means(trial, stats.bank, validation.candidates))
            found.append(validation.score(scores))
        return Score.over(found)


def _label_means(
    method: Method, bank: NDArray[np.float32], known: CandidateSet
) -> NDArray[np.float64]:
    blocks = (
        method.scores(bank[start : start + BLOCK], known) for start in range(0, len(bank), BLOCK)
    )
    return mean_of_nearest(blocks, NEAREST)
