"""Layers that scale RGB in [0, 255] to the input range of a network's first layer.

The scaling is part of the network, so every network takes the same photos and none can get wrongly
scaled ones. Only built-in operations of Keras are used, so a network's file loads in safe mode.
"""

from collections.abc import Mapping
from typing import Any

import keras

from devise_lib.backbone_catalog import Scaling

CAFFE_MEAN = (123.68, 116.779, 103.939)  # of R, G and B, in [0, 255]
# The mean and the standard deviation of R, G and B in [0, 1], over the photos trained on.
STATISTICS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


def scale_pixels(photos: Any, scaling: Scaling) -> Any:
    """Scales photos to what the first layer of a network takes.

    Args:
        photos: (n, size, size, 3) RGB in [0, 255], a tensor of Keras or of TensorFlow.
        scaling: what the layer takes.

    Returns:
        The scaled photos, of the same shape.
    """
    if scaling == "0..255":
        return photos
    if scaling == "0..1":
        return keras.layers.Rescaling(1 / 255)(photos)
    if scaling == "-1..1":
        return keras.layers.Rescaling(1 / 127.5, offset=-1)(photos)
    if scaling == "caffe":
        centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEAN])(photos)
        return keras.ops.flip(centred, axis=-1)
    means, deviations = STATISTICS[scaling]
    return keras.layers.Rescaling(
        [1 / (255 * deviation) for deviation in deviations],
        offset=[-mean / deviation for mean, deviation in zip(means, deviations, strict=True)],
    )(photos)
