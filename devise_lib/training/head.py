"""What stands between features and the space of words: the paper's linear map, or an MLP."""

import keras
import numpy as np

from devise_lib.numerics.linear import Affine, Projection, fold_standardisation
from devise_lib.numerics.vectors import FloatArray
from devise_lib.training.settings import Settings


def build_head(features: int, words: int, settings: Settings, seed: int) -> keras.Model:
    """Standardised features (n, features) to unscaled embeddings (n, words).

    Without `settings.hidden` it is one linear map, as in the paper (section 3.3). With it: dropout,
    a layer of ReLU units, batch normalisation and a linear layer.
    """
    layers = keras.layers
    stack = [keras.Input((features,)), layers.Dropout(settings.dropout, seed=seed)]
    if settings.hidden:
        stack += [layers.Dense(settings.hidden, activation="relu"), layers.BatchNormalization()]
    stack.append(layers.Dense(words, use_bias=bool(settings.hidden)))
    return keras.Sequential(stack)


def to_projection(head: keras.Model, mean: FloatArray, deviation: FloatArray) -> Projection:
    """The head as a map of raw features, whose standardisation and batch norms are folded in."""
    folded: list[Affine] = []
    scale, shift = np.ones(1), np.zeros(1)  # of what the next dense layer is given
    for layer in head.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, moving_mean, moving_variance = layer.get_weights()
            scale = gamma / np.sqrt(moving_variance + layer.epsilon)
            shift = beta - moving_mean * scale
        elif isinstance(layer, keras.layers.Dense):
            kernel, *bias = (weights.astype(np.float64) for weights in layer.get_weights())
            matrix = kernel.T * scale  # (d_out, d_in)
            offset = sum(bias) + kernel.T @ np.broadcast_to(shift, len(kernel))
            if not folded:
                first = fold_standardisation(matrix, mean, deviation)
                matrix, offset = first.matrix, first.offset + offset
            folded.append(Affine(matrix.astype(np.float32), offset.astype(np.float32)))
    return Projection(tuple(folded))
