import keras
import numpy as np
import pytest

from devise_lib.numerics.vectors import l2_normalize
from devise_lib.training.head import build_head, to_projection
from devise_lib.training.settings import Objective, Settings

RNG = np.random.default_rng(7)
FEATURES = RNG.normal(2.0, 3.0, (40, 6)).astype(np.float32)
MEAN, DEVIATION = FEATURES.mean(0), FEATURES.std(0)


def make_head(hidden, dropout=0.0):
    keras.utils.set_random_seed(3)
    head = build_head(6, 4, Settings(Objective(), hidden=hidden, dropout=dropout), seed=1)
    for layer in head.layers:  # far from their first values; a variance must be positive
        layer.set_weights(
            [
                RNG.normal(0.0, 1.0, w.shape) if w.ndim > 1 else RNG.uniform(0.2, 2.0, w.shape)
                for w in layer.get_weights()
            ]
        )
    return head


@pytest.mark.parametrize("hidden", [0, 5])
def test_the_projection_embeds_raw_features_as_the_head_does_standardised_ones(hidden):
    head = make_head(hidden)
    wanted = head.predict((FEATURES - MEAN) / DEVIATION, verbose=0)
    projection = to_projection(head, MEAN, DEVIATION)
    assert len(projection.layers) == (2 if hidden else 1)
    np.testing.assert_allclose(projection.embed(FEATURES), l2_normalize(wanted), atol=1e-4)


def test_the_linear_head_has_no_bias_and_the_deep_one_is_batch_normalised():
    assert [w.shape for w in make_head(0).get_weights()] == [(6, 4)]
    kinds = [type(layer).__name__ for layer in make_head(5).layers]
    assert kinds == ["Dropout", "Dense", "BatchNormalization", "Dense"]


def test_dropout_leaves_features_out_in_training_alone():
    head = make_head(0, dropout=0.5)
    ones = np.ones((2000, 6), dtype=np.float32)
    plain = np.asarray(head(ones, training=False))
    dropped = np.asarray(head(ones, training=True))
    assert np.ptp(plain, axis=0).max() < 1e-5
    assert np.ptp(dropped, axis=0).min() > 0.1
    np.testing.assert_allclose(dropped.mean(0), plain[0], rtol=0.1)
