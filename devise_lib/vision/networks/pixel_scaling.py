"""Layers that scale RGB in [0, 255] to the input range of a network's first layer.

The scaling is part of the network, so every network takes the same photos and none can get wrongly
scaled ones. Only built-in operations of Keras are used, so a network's file loads in safe mode.
"""

import keras

IMAGENET_MEAN = (123.68, 116.779, 103.939)  # of R, G and B, as in Caffe's models


def to_unit_range(photos: keras.KerasTensor) -> keras.KerasTensor:
    """Scales [0, 255] to [-1, 1]."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1)(photos)


def to_bgr_about_mean(photos: keras.KerasTensor) -> keras.KerasTensor:
    """Converts RGB to BGR less the mean of ImageNet's training photos, as networks of Caffe
    expect.
    """
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in IMAGENET_MEAN])(photos)
    return keras.ops.flip(centred, axis=-1)
