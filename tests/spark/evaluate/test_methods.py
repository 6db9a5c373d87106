from dataclasses import replace

import numpy as np
import pytest

from devise_lib.config.reporting import Evaluate
from devise_lib.errors import InputError
from devise_lib.numerics.candidates import ByConse, BySoftmax, ByWords, SoftmaxLayer
from devise_lib.numerics.closed_form import ClosedForms, by_classifier, classifier_weights
from devise_lib.numerics.hubness import csls, mean_of_nearest
from devise_lib.numerics.linear import Compatibility
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.validation import Score, choose_by_one_standard_error
from devise_lib.spark.evaluate.methods import (
    CSLS,
    FittedMethod,
    chosen_penalties,
    chosen_settings,
    select_methods,
)
from devise_lib.spark.features.folds import TrainingFeatures, make_folds
from devise_lib.spark.features.moments import feature_moments
from devise_lib.spark.tables.schemas import FEATURES, LABELS
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from tests.spark.evaluate.zero_shot_world import (
    CONTROLS,
    KNOWN,
    RNG,
    SEEN,
    UNSEEN,
    VECTORS,
    D,
    draw_map,
    feature_row,
    label_row,
)

pytestmark = pytest.mark.spark

LAYER = SoftmaxLayer(
    RNG.standard_normal((D, 4)).astype(np.float32),
    RNG.standard_normal(4).astype(np.float32),
    ["cat", "bee", "yak", "ant"],  # yak has no vector
)
TRAINED = [
    TrainedProjection("devise", 0, None, draw_map()),
    TrainedProjection("devise", 1, None, draw_map()),
    TrainedProjection("random_embeddings", 0, None, draw_map()),
    TrainedProjection("devise", 0, 0, draw_map()),
    TrainedProjection("devise", 0, 1, draw_map()),
    TrainedProjection("random_embeddings", 0, 0, draw_map()),
    TrainedProjection("random_embeddings", 0, 1, draw_map()),
]
BUNDLE = ProjectionBundle(TRAINED, CONTROLS, LAYER, "backbone", "words")
NAMES = [SEEN[i % 3] for i in range(90)]
CENTRES = RNG.standard_normal((3, D)) * 2
VALUES = (CENTRES[np.arange(90) % 3] + RNG.standard_normal((90, D))).astype(np.float32)
FOLD = {"ant": 0, "bee": 1, "cat": 0}
PARTS = [(FOLD[name], i % 5 == 0) for i, name in enumerate(NAMES)]  # fold and is_validation_photo
CONFIG = Evaluate(regularization=[0.1, 10, 1000], conse_top_t=[1, 2], csls_bank_size=40)


@pytest.fixture(scope="module")
def features(spark):
    triples = zip(NAMES, VALUES, PARTS, strict=True)
    rows = [feature_row(i, n, v, "train", part) for i, (n, v, part) in enumerate(triples)]
    return spark.createDataFrame(rows, FEATURES).cache()


@pytest.fixture(scope="module")
def labels(spark):
    rows = [label_row(name, name in SEEN) for name in SEEN + UNSEEN]
    return spark.createDataFrame(rows, LABELS)


@pytest.fixture(scope="module")
def methods(features, labels):
    return select_methods(features, labels, BUNDLE, KNOWN, CONFIG)


def test_every_method_enters_once_a_seed(methods):
    assert [(c.name, c.seed) for c in methods] == [
        ("devise", 0),
        ("devise", 1),
        ("random_embeddings", 0),
        ("ridge", None),
        ("ridge_reversed", None),
        ("eszsl", None),
        ("sae", None),
        ("sae_reversed", None),
        ("classifier_ridge", None),
        ("conse", None),
        ("softmax", None),
    ]
    assert isinstance(methods[-1].method, BySoftmax)
    assert methods[-1].label_means is None


@pytest.fixture(scope="module")
def without_softmax_and_trials(features, labels):
    nothing = SoftmaxLayer(LAYER.kernel[:, :0], LAYER.bias[:0], [])
    bundle = replace(BUNDLE, layer=nothing, trained=TRAINED[:3])
    return select_methods(features, labels, bundle, KNOWN, CONFIG)


def test_methods_of_the_softmax_stay_out_where_it_is_not_linear_in_the_features(
    without_softmax_and_trials,
):
    assert [c.name for c in without_softmax_and_trials][3:] == [
        "ridge",
        "ridge_reversed",
        "eszsl",
        "sae",
        "sae_reversed",
    ]


@pytest.fixture(scope="module")
def folds(features):
    training = TrainingFeatures(features, feature_moments(features), VECTORS, CONTROLS, LAYER)
    return make_folds(training, CONFIG.validation_photos)


def test_the_strength_is_the_one_that_does_best_on_the_labels_held_out(methods, folds):
    every = ClassMoments.of(VALUES, NAMES)
    assert len(folds) == 2
    scores = []
    for strength in CONFIG.regularization:
        ranks = []
        for fold in folds:
            forms = ClosedForms(fold.moments, fold.moments.matrix_of(VECTORS))
            trial = ByWords(forms.ridge(strength))
            ranks.append(fold.validation.evaluate(trial))
        scores.append(Score.over(ranks))
    chosen = CONFIG.regularization[choose_by_one_standard_error(scores)]
    entry = next(c for c in methods if c.name == "ridge")
    assert entry.settings == (chosen,)
    wanted = ClosedForms(every, every.matrix_of(VECTORS)).ridge(chosen)
    np.testing.assert_allclose(
        entry.method.scores(VALUES, KNOWN), wanted.scores(VALUES, KNOWN.vectors), atol=1e-5
    )


def test_penalties_are_those_of_the_trials_and_not_of_the_model_itself(methods, folds):
    trials = [ByWords(Compatibility(TRAINED[n].projection)) for n in (3, 4)]
    pairs = zip(trials, folds, strict=True)
    wanted = Score.over([fold.validation.evaluate(trial) for trial, fold in pairs]).gamma
    assert set(methods[0].gammas) == {"", CSLS}
    assert methods[0].gammas[""] == pytest.approx(wanted)


def test_a_model_that_was_tried_on_fewer_folds_has_its_penalties_from_these(
    features, labels, folds, without_softmax_and_trials
):
    fewer = replace(BUNDLE, trained=[one for one in TRAINED if one.fold != 1])
    entry = select_methods(features, labels, fewer, KNOWN, CONFIG)[0]
    trial = ByWords(Compatibility(TRAINED[3].projection))
    wanted = Score.over([folds[0].validation.evaluate(trial)]).gamma
    assert entry.gammas[""] == pytest.approx(wanted)
    assert set(entry.gammas) == {"", CSLS}
    assert not without_softmax_and_trials[0].gammas


@pytest.fixture(scope="module")
def first_with_whole_bank(features, labels):
    """With a bank of every training photo nothing depends on the sample."""
    config = CONFIG.model_copy(update={"csls_bank_size": 1000})
    return select_methods(features, labels, BUNDLE, KNOWN, config)[0]


def test_with_csls_the_penalty_is_that_of_adjusted_trials(first_with_whole_bank, folds):
    entry, ranks = first_with_whole_bank, []
    for fold, number in zip(folds, (3, 4), strict=True):
        trial = ByWords(Compatibility(TRAINED[number].projection))
        mine = [i for i, (f, kept) in enumerate(PARTS) if f != fold.number and not kept]
        photos, candidates = fold.validation.features, fold.validation.candidates
        means = mean_of_nearest([trial.scores(VALUES[mine], candidates)], 10)
        ranks.append(fold.validation.score(csls(trial.scores(photos, candidates), means)))
    assert entry.gammas[CSLS] == pytest.approx(Score.over(ranks).gamma, abs=1e-5)


def test_a_model_without_trials_has_the_penalty_that_came_with_it(features, labels):
    alone = [one for one in BUNDLE.trained if one.method == "devise" and one.fold is None]
    bundle = replace(BUNDLE, trained=alone, penalty=0.07)
    entry = select_methods(features, labels, bundle, KNOWN, CONFIG)[0]
    scores = entry.method.scores(VALUES, KNOWN)
    penalties = {name: gamma for name, _, gamma in entry.variants(scores)}
    assert penalties == {"devise": None, "devise+calibrated": 0.07, "devise+csls": None}


def test_the_label_means_are_those_of_the_bank(first_with_whole_bank):
    entry = first_with_whole_bank
    scores = entry.method.scores(VALUES, KNOWN)
    np.testing.assert_allclose(entry.label_means, mean_of_nearest([scores], 10), atol=1e-5)
    variants = {name: (values, gamma) for name, values, gamma in entry.variants(scores)}
    assert list(variants) == [
        "devise",
        "devise+calibrated",
        "devise+csls",
        "devise+csls+calibrated",
    ]
    np.testing.assert_array_equal(variants["devise+csls"][0], csls(scores, entry.label_means))
    assert variants["devise+csls"][1] is None
    assert variants["devise+csls+calibrated"][1] == entry.gammas["+csls"]


def test_classes_without_a_vector_are_left_out_of_conse_and_of_classifier_weights(methods):
    by_name = {c.name: c for c in methods}
    conse = by_name["conse"].method
    assert isinstance(conse, ByConse)
    assert not conse.class_vectors[2].any()
    assert (conse.class_vectors[[0, 1, 3]] == [VECTORS[n] for n in ("cat", "bee", "ant")]).all()
    every = ClassMoments.of(VALUES, NAMES)
    kept = np.stack([VECTORS[n] for n in ("cat", "bee", "ant")])
    strength = by_name["classifier_ridge"].settings[0]
    weights = classifier_weights(LAYER.kernel[:, [0, 1, 3]], every.deviation, kept, strength)
    wanted = by_classifier(every, weights).scores(VALUES, KNOWN.vectors)
    found = by_name["classifier_ridge"].method.scores(VALUES, KNOWN)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_without_photos_to_choose_by_one_setting_is_taken_and_several_are_refused(features, labels):
    fit_only = features.where("NOT is_validation_photo")
    with pytest.raises(InputError, match=r"3 settings of ridge to choose from.*validation_folds"):
        select_methods(fit_only, labels, BUNDLE, KNOWN, CONFIG)
    config = Evaluate(regularization=10, conse_top_t=2)
    found = select_methods(fit_only, labels, BUNDLE, KNOWN, config)
    assert {c.name: c.settings for c in found if c.settings} == {
        **{name: (10.0,) for name in ("ridge", "ridge_reversed", "sae", "sae_reversed")},
        "classifier_ridge": (10.0,),
        "eszsl": (10.0, 10.0),
        "conse": (2.0,),
    }
    assert not any(c.gammas for c in found)


def test_what_was_chosen_is_named_by_the_method_its_seed_and_csls():
    plain = FittedMethod("softmax", None, BySoftmax(LAYER))
    devise = FittedMethod("devise", 3, BySoftmax(LAYER), {"": 0.25, CSLS: 0.5})
    ridge = FittedMethod("ridge", None, BySoftmax(LAYER), {"": 0.125}, settings=(1.5, 2.0))
    assert chosen_settings([plain, devise, ridge]) == {"chosen_ridge": [1.5, 2.0]}
    assert chosen_penalties([plain, devise, ridge]) == {
        "gamma_devise_seed_3": 0.25,
        "gamma_devise_csls_seed_3": 0.5,
        "gamma_ridge": 0.125,
    }
