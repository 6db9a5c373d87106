import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from devise_lib.numerics.linear import Affine, Compatibility, Projection, fold_standardisation
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.vectors import l2_normalize
from tests.numerics.labelled_features import labelled_features, numbers


@given(labelled_features(), st.data())
def test_a_folded_map_is_standardise_then_map(table, data):
    features, labels, _ = table
    weights = data.draw(arrays(np.float64, (3, features.shape[1]), elements=numbers))
    moments = ClassMoments.of(features, labels)
    folded = fold_standardisation(weights, moments.mean, moments.deviation)
    by_hand = ((features - moments.mean) / moments.deviation) @ weights.T
    scale = 1 + np.abs(folded.matrix).max() * 8 + np.abs(folded.offset).max()
    np.testing.assert_allclose(
        features @ folded.matrix.T.astype(np.float64) + folded.offset, by_hand, atol=1e-5 * scale
    )


def affine(matrix, offset):
    return Affine(np.array(matrix, dtype=np.float32), np.array(offset, dtype=np.float32))


def test_a_projection_embeds_to_unit_rows():
    projection = Projection((affine([[2, 0, 0], [0, 1, 0]], [1, 4]),))
    embedded = projection.embed(np.array([[1.0, 0.0, 9.0]]))
    np.testing.assert_allclose(embedded, l2_normalize(np.array([[3.0, 4.0]])), rtol=1e-6)
    assert embedded.dtype == np.float32


def test_layers_have_relu_between_them_and_not_behind_the_last():
    projection = Projection((affine([[1, 0], [0, -1]], [0, 0]), affine([[-1, 5], [0, 1]], [0, 1])))
    embedded = projection.embed(np.array([[4.0, 7.0]]))  # to (4, 0), then (-4, 1)
    np.testing.assert_allclose(embedded, l2_normalize(np.array([[-4.0, 1.0]])), rtol=1e-6)


def test_photos_and_labels_are_compared_where_both_are_mapped_to():
    image = Projection((affine(np.eye(2), [0, 0]),))
    features, vectors = np.array([[3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(Compatibility(image).scores(features, vectors), [[0.6, 0.8]])
    swapped = Compatibility(image, np.array([[0, 1], [1, 0]], dtype=np.float32))
    np.testing.assert_allclose(swapped.scores(features, vectors), [[0.8, 0.6]])
