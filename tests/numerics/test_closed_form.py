import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.numerics.closed_form import (
    ClosedForms,
    by_classifier,
    classifier_weights,
)
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.vectors import l2_normalize
from tests.numerics.labelled_features import labelled_features, standardised

RNG = np.random.default_rng(5)
FEATURES = RNG.normal(1.0, 2.0, size=(60, 6))
LABELS = [f"label{i % 5}" for i in range(60)]
VECTORS = {f"label{i}": RNG.normal(size=4).astype(np.float32) for i in range(5)}
Z = standardised(FEATURES)  # (n, d)
T = np.stack([VECTORS[label] for label in LABELS]).astype(np.float64)  # (n, m)
MOMENTS = ClassMoments.of(FEATURES, LABELS)
S = MOMENTS.matrix_of(VECTORS)  # (c, m)
FORMS = ClosedForms(MOMENTS, S)


def least_squares(x, y, strength):
    """Ridge as the plain least squares of the data with sqrt(strength) * I below it."""
    d = x.shape[1]
    stacked = np.vstack([x, np.sqrt(strength) * np.eye(d)])
    weights, *_ = np.linalg.lstsq(stacked, np.vstack([y, np.zeros((d, y.shape[1]))]), rcond=None)
    return weights


@given(labelled_features(), st.floats(0.1, 100))
def test_ridge_predicts_as_least_squares_on_stacked_data(table, strength):
    features, labels, vectors = table
    targets = np.stack([vectors[label] for label in labels]).astype(np.float64)
    moments = ClassMoments.of(features, labels)
    training = ClosedForms(moments, moments.matrix_of(vectors))
    [image] = training.ridge(strength).image.layers
    assert image.matrix.dtype == image.offset.dtype == np.float32
    z = standardised(features)
    scale = 1 + np.abs(image.matrix).max() + np.abs(targets).max()
    np.testing.assert_allclose(
        features @ image.matrix.T + image.offset,
        z @ least_squares(z, targets, strength),
        atol=1e-4 * scale,
    )


def test_ridge_reversed_is_least_squares_the_other_way():
    found = FORMS.ridge_reversed(3.0)
    np.testing.assert_allclose(found.label, least_squares(T, Z, 3.0).T, rtol=1e-4, atol=1e-5)
    [image] = found.image.layers
    np.testing.assert_allclose(FEATURES @ image.matrix.T + image.offset, Z, rtol=1e-4, atol=1e-4)


def test_a_larger_strength_gives_a_smaller_map():
    sizes = [np.abs(weights_of(FORMS.ridge(s))).sum() for s in (0.1, 10, 1000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.2 * sizes[0]


def weights_of(found):
    """W (m, d) of a map of standardised features."""
    [image] = found.image.layers
    return image.matrix.astype(np.float64) * MOMENTS.deviation


def test_eszsl_is_where_the_gradient_of_its_loss_is_zero():
    """||Z V S' - Y||^2 + g ||V S'||^2 + l ||Z V||^2 + g l ||V||^2, eq. 3 and 4 of the paper."""
    g, l = 2.0, 0.7  # noqa: E741 - the paper's letters
    v = weights_of(FORMS.eszsl(g, l)).T  # (d, m)
    y = np.where(np.array(LABELS)[:, None] == np.array(MOMENTS.labels), 1.0, -1.0)
    gradient = Z.T @ (Z @ v @ S.T - y) @ S + g * v @ S.T @ S + l * Z.T @ Z @ v + g * l * v
    assert np.abs(gradient).max() < 1e-3 * np.abs(Z.T @ y @ S).max()


def test_sae_is_where_the_gradient_of_its_loss_is_zero():
    """||Z - T W||^2 + l ||Z W' - T||^2, eq. 4 of the paper."""
    strength = 0.5
    w = FORMS.sae_weights(strength)
    gradient = T.T @ (T @ w - Z) + strength * (w @ Z.T - T.T) @ Z
    assert np.abs(gradient).max() < 1e-8 * np.abs(T.T @ Z).max()
    np.testing.assert_allclose(weights_of(FORMS.sae(strength)), w, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(FORMS.sae_reversed(strength).label, w.T, rtol=1e-6)


def test_sae_of_features_without_any_spread_is_finite():
    flat = ClassMoments.of(np.ones((4, 3)), ["a", "a", "b", "b"])
    assert np.isfinite(ClosedForms(flat, np.eye(2)).sae_weights(1.0)).all()


def test_classifier_weights_are_least_squares_from_vectors_to_the_kernel():
    kernel = RNG.normal(size=(6, 5))
    found = classifier_weights(kernel, MOMENTS.deviation, S, 0.5)
    scaled = (kernel * MOMENTS.deviation[:, None]).T
    scaled *= np.sqrt(6) / np.linalg.norm(scaled, axis=1, keepdims=True)
    np.testing.assert_allclose(found, least_squares(S, scaled, 0.5))
    scores = by_classifier(MOMENTS, found).scores(FEATURES, S)
    np.testing.assert_allclose(scores, l2_normalize(Z) @ l2_normalize(S @ found).T, atol=1e-5)


@pytest.mark.parametrize("method", [ClosedForms.ridge, ClosedForms.ridge_reversed])
def test_scores_are_cosines_in_the_space_where_they_are_compared(method):
    found = method(FORMS, 1.0)
    scores = found.scores(FEATURES, S)
    if method is ClosedForms.ridge:
        images, labels = Z @ weights_of(found).T, S
    else:
        images, labels = Z, S @ found.label.T
    np.testing.assert_allclose(scores, l2_normalize(images) @ l2_normalize(labels).T, atol=1e-5)
    right = np.array([MOMENTS.labels.index(label) for label in LABELS])
    assert (scores.argmax(1) == right).mean() > 0.25  # of five labels


@pytest.mark.parametrize(
    "method",
    [ClosedForms.ridge, ClosedForms.ridge_reversed, ClosedForms.sae, lambda t, s: t.eszsl(s, s)],
)
def test_no_rows_or_no_strength_is_refused(method):
    none = ClassMoments.of(np.ones((0, 2)), [])
    for moments, strength in ((none, 1.0), (MOMENTS, 0.0), (MOMENTS, -1.0)):
        with pytest.raises(
            ValueError, match=f"want rows and a positive strength; got {moments.rows}"
        ):
            method(ClosedForms(moments, moments.sums), strength)
