"""The trained layers between features and the space of words: the paper's linear map, or an MLP."""

import keras
import numpy as np

from devise_lib.numerics.linear import Affine, Projection, fold_standardisation
from devise_lib.numerics.vectors import FloatArray
from devise_lib.training.settings import Settings


def build_head(features: int, words: int, settings: Settings, seed: int) -> keras.Model:
    """Builds a network from standardised features (n, features) to unscaled embeddings (n, words).

    Without `settings.hidden` it is one linear map, as in the DeViSE paper (section 3.3). With it,
    the network has dropout, a layer of ReLU units, batch normalisation and a linear layer.
    """
    layers = keras.layers
    stack = [keras.Input((features,)), layers.Dropout(settings.dropout, seed=seed)]
    if settings.hidden:
        stack += [layers.Dense(settings.hidden, activation="relu"), layers.BatchNormalization()]
    stack.append(layers.Dense(words, use_bias=bool(settings.hidden)))
    return keras.Sequential(stack)


def to_projection(head: keras.Model, mean: FloatArray, deviation: FloatArray) -> Projection:
    """Converts a head to a map of raw features; standardisation and batch normalisation are folded
    in.

    Args:
        head: by `build_head`.
        mean, deviation: (d_visual,), by which the features were standardised.
    """
    folded: list[Affine] = []
    scale, shift = np.ones(1), np.zeros(1)  # applied to the next dense layer's input
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
