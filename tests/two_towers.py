"""A small model with an image tower and a text tower, trained by contrast as CLIP is."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from devise_lib.numerics.vectors import l2_normalize

SIDE, D = 8, 6
COLOURS = {
    "black": (20, 20, 20),
    "white": (235, 235, 235),
    "red": (220, 30, 30),
    "green": (30, 190, 40),
    "blue": (30, 60, 220),
    "yellow": (230, 220, 40),
}
NAMES = list(COLOURS)
STEPS = 150


@dataclass(frozen=True)
class TwoTowers:
    """The image tower takes RGB in [0, 1]; `texts` are the vectors of NAMES, not of unit norm."""

    images: keras.Model
    texts: NDArray[np.float32]


def photos_of(colour: str, n: int, seed: int = 0, side: int = SIDE) -> NDArray[np.uint8]:
    """n photos of a colour: each has a tint and noise of its own."""
    rng = np.random.default_rng([seed, NAMES.index(colour)])
    tint = np.array(COLOURS[colour]) + rng.normal(0, 12, (n, 1, 1, 3))
    return np.clip(tint + rng.normal(0, 10, (n, side, side, 3)), 0, 255).astype(np.uint8)


def train() -> TwoTowers:
    """Trains both towers with the symmetric cross-entropy of Radford et al. (2021), figure 3."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.GlobalAveragePooling2D()(pixels)
    x = keras.layers.Dense(24, activation="relu")(x)
    images = keras.Model(pixels, keras.layers.Dense(D)(x))
    texts = keras.layers.Embedding(len(NAMES), D)
    texts.build()
    optimizer = keras.optimizers.Adam(0.02)
    variables = [*images.trainable_variables, *texts.trainable_variables]
    for step in range(STEPS):
        batch = np.stack([photos_of(name, 1, seed=step)[0] for name in NAMES])
        with tf.GradientTape() as tape:
            i = tf.math.l2_normalize(images(batch / 255.0), axis=1)
            t = tf.math.l2_normalize(texts(np.arange(len(NAMES))), axis=1)
            logits = 10 * i @ tf.transpose(t)
            pairs = np.arange(len(NAMES))
            loss = sum(
                keras.ops.mean(
                    keras.losses.sparse_categorical_crossentropy(pairs, each, from_logits=True)
                )
                for each in (logits, tf.transpose(logits))
            )
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    return TwoTowers(images, np.asarray(texts.weights[0]))


def accuracy(towers: TwoTowers) -> float:
    """The share of new photos whose nearest text is the name of their colour."""
    right = [
        np.argmax(l2_normalize(np.asarray(towers.images(photos / 255.0))) @ texts.T, axis=1) == row
        for row, name in enumerate(NAMES)
        for photos, texts in [(photos_of(name, 20, seed=99), l2_normalize(towers.texts))]
    ]
    return float(np.mean(right))
