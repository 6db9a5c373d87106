from dataclasses import replace

import numpy as np
import pytest

from devise_lib.config import Evaluate
from devise_lib.errors import InputError
from devise_lib.numerics import closed_form
from devise_lib.numerics.candidates import ByConse, BySoftmax, ByWords, SoftmaxLayer
from devise_lib.numerics.hubness import csls, mean_of_nearest
from devise_lib.numerics.linear import Compatibility
from devise_lib.numerics.moments import ClassMoments
from devise_lib.spark.contenders import find_contenders
from devise_lib.spark.feature_rows import read_validation
from devise_lib.spark.labelled import FIT, SEEN_FOLD, UNSEEN_FOLD
from devise_lib.spark.schemas import FEATURES, LABELS
from devise_lib.training.bundle import ProjectionBundle, TrainedProjection
from tests.spark.zero_shot_world import (
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
    TrainedProjection("devise", 0, False, draw_map()),
    TrainedProjection("devise", 1, False, draw_map()),
    TrainedProjection("random_embeddings", 0, False, draw_map()),
    TrainedProjection("devise", 0, True, draw_map()),
    TrainedProjection("random_embeddings", 0, True, draw_map()),
]
BUNDLE = ProjectionBundle(TRAINED, CONTROLS, LAYER, "backbone", "words")
NAMES = [SEEN[i % 3] for i in range(90)]
CENTRES = RNG.standard_normal((3, D)) * 2
VALUES = (CENTRES[np.arange(90) % 3] + RNG.standard_normal((90, D))).astype(np.float32)
FOLDS = [
    UNSEEN_FOLD if n == "bee" else SEEN_FOLD if i % 5 == 0 else FIT for i, n in enumerate(NAMES)
]
CONFIG = Evaluate(strengths=[0.1, 10, 1000], conse_t=[1, 2], bank=40)


@pytest.fixture(scope="module")
def features(spark):
    triples = zip(NAMES, VALUES, FOLDS, strict=True)
    rows = [feature_row(i, n, v, "train", fold) for i, (n, v, fold) in enumerate(triples)]
    return spark.createDataFrame(rows, FEATURES).cache()


@pytest.fixture(scope="module")
def labels(spark):
    rows = [label_row(name, name in SEEN) for name in SEEN + UNSEEN]
    return spark.createDataFrame(rows, LABELS)


@pytest.fixture(scope="module")
def contenders(features, labels):
    return find_contenders(features, labels, BUNDLE, KNOWN, CONFIG)


def test_every_method_enters_once_a_seed(contenders):
    assert [(c.name, c.seed) for c in contenders] == [
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
    assert isinstance(contenders[-1].method, BySoftmax)
    assert contenders[-1].label_means is None


def test_methods_of_the_softmax_stay_out_where_it_is_not_linear_in_the_features(features, labels):
    nothing = SoftmaxLayer(LAYER.kernel[:, :0], LAYER.bias[:0], [])
    found = find_contenders(features, labels, replace(BUNDLE, layer=nothing), KNOWN, CONFIG)
    assert [c.name for c in found][3:] == [
        "ridge",
        "ridge_reversed",
        "eszsl",
        "sae",
        "sae_reversed",
    ]


def fitted():
    """The sums that trials know, of ant and cat."""
    mine = [i for i, fold in enumerate(FOLDS) if fold == FIT]
    return ClassMoments.of(VALUES[mine], [NAMES[i] for i in mine])


def test_the_strength_is_the_one_that_does_best_on_the_labels_held_out(contenders, features):
    validation = read_validation(features, VECTORS, CONTROLS, CONFIG.validation_photos)
    moments, every = fitted(), ClassMoments.of(VALUES, NAMES)
    values = []
    for strength in CONFIG.strengths:
        trial = closed_form.ridge(moments, moments.matrix_of(VECTORS), strength)
        values.append(validation.score(ByWords(trial)).value)
    chosen = CONFIG.strengths[int(np.argmax(values))]
    entry = next(c for c in contenders if c.name == "ridge")
    assert entry.settings == (chosen,)
    wanted = closed_form.ridge(every, every.matrix_of(VECTORS), chosen)
    np.testing.assert_allclose(
        entry.method.scores(VALUES, KNOWN), wanted.scores(VALUES, KNOWN.vectors), atol=1e-5
    )


def test_penalties_and_label_means_are_measured_apart_from_the_test(contenders, features):
    validation = read_validation(features, VECTORS, CONTROLS, CONFIG.validation_photos)
    trial = ByWords(Compatibility(TRAINED[3].projection))
    plain = trial.scores(validation.features, validation.candidates)
    first = contenders[0]
    assert first.gammas[""] == pytest.approx(validation.score_of(plain).gamma)
    assert set(first.gammas) == {"", "+csls"}
    fit = features.where(features["fold"] == FIT).collect()
    assert len(fit) > CONFIG.bank
    means = [trial.scores(np.array([row["feature"]], dtype=np.float32), KNOWN)[0] for row in fit]
    assert (first.label_means <= np.max(means, axis=0) + 1.5).all()
    assert first.label_means.shape == (len(KNOWN.labels),)


def test_the_label_means_are_those_of_the_bank(features, labels):
    """With a bank of every training photo they do not depend on the sample."""
    config = CONFIG.model_copy(update={"bank": 1000})
    entry = find_contenders(features, labels, BUNDLE, KNOWN, config)[0]
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


def test_classes_without_a_vector_are_left_out_of_conse_and_of_classifier_weights(contenders):
    by_name = {c.name: c for c in contenders}
    conse = by_name["conse"].method
    assert isinstance(conse, ByConse)
    assert not conse.class_vectors[2].any()
    assert (conse.class_vectors[[0, 1, 3]] == [VECTORS[n] for n in ("cat", "bee", "ant")]).all()
    every = ClassMoments.of(VALUES, NAMES)
    kept = np.stack([VECTORS[n] for n in ("cat", "bee", "ant")])
    strength = by_name["classifier_ridge"].settings[0]
    weights = closed_form.classifier_weights(
        LAYER.kernel[:, [0, 1, 3]], every.deviation, kept, strength
    )
    wanted = closed_form.by_classifier(every, weights).scores(VALUES, KNOWN.vectors)
    found = by_name["classifier_ridge"].method.scores(VALUES, KNOWN)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_without_photos_to_choose_by_one_setting_is_taken_and_several_are_refused(features, labels):
    fit_only = features.where(features["fold"] == FIT)
    with pytest.raises(InputError, match=r"3 settings of ridge to choose from.*validation_share"):
        find_contenders(fit_only, labels, BUNDLE, KNOWN, CONFIG)
    config = Evaluate(strengths=10, conse_t=2)
    found = find_contenders(fit_only, labels, BUNDLE, KNOWN, config)
    assert {c.name: c.settings for c in found if c.settings} == {
        **{name: (10.0,) for name in ("ridge", "ridge_reversed", "sae", "sae_reversed")},
        "classifier_ridge": (10.0,),
        "eszsl": (10.0, 10.0),
        "conse": (2.0,),
    }
    assert not any(c.gammas for c in found)
