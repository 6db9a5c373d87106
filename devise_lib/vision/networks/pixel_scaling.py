"""From RGB in [0, 255] to what the first layer of a network takes, as layers of the network.

Every network then takes the same photos, and none can be fed the wrong ones. Only what Keras itself
knows is used, so the file of a network loads in safe mode.
"""

import keras

IMAGENET_MEAN = (123.68, 116.779, 103.939)  # of R, G and B, as Caffe's models have them


def to_unit_range(photos: keras.KerasTensor) -> keras.KerasTensor:
    """[0, 255] to [-1, 1]."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1)(photos)


def to_bgr_about_mean(photos: keras.KerasTensor) -> keras.KerasTensor:
    """RGB to BGR less the mean of ImageNet's training photos: what networks of Caffe take."""
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in IMAGENET_MEAN])(photos)
    return keras.ops.flip(centred, axis=-1)
