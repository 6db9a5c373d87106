"""Networks of keras.applications up to their last activation map, and their ImageNet weights."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from devise_lib.backbone_catalog import NetworkType
from devise_lib.errors import InputError
from devise_lib.vision.networks.pixel_scaling import to_bgr_about_mean, to_unit_range
from devise_lib.vision.networks.weights import StoredLayer, StoredWeights

IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)  # of R, G, B in [0, 1]
SCALINGS = {"unit": to_unit_range, "bgr": to_bgr_about_mean}


def application_map(network: NetworkType, photos: keras.KerasTensor) -> keras.KerasTensor:
    """Photos (n, size, size, 3), RGB in [0, 255], to the last activation map (n, h, w, channels).

    The layers are those of keras.applications, under their names there; the weights are random.
    """
    x = SCALINGS[network.pixels](photos) if network.pixels in SCALINGS else photos
    return _application(network, include_top=False, weights=None, input_tensor=x).output


def download_imagenet(network: NetworkType, with_classifier: bool) -> StoredWeights:
    """ImageNet's weights, which Keras downloads, or finds in its cache (~/.keras/models).

    Raises:
        InputError: there are none, or they cannot be had.
    """
    if not network.application:
        raise InputError(
            f"Keras has no ImageNet weights of {network.name}: give `weights` a file of them"
        )
    size = network.image_size
    try:
        found = _application(
            network, include_top=with_classifier, weights="imagenet", input_shape=(size, size, 3)
        )
    except Exception as error:  # what Keras raises where a download fails
        raise InputError(
            f"cannot download the ImageNet weights of {network.name}: {error}. Put the file into "
            "~/.keras/models, or give `weights` its path"
        ) from error
    layers = (layer for layer in found.layers if layer.weights)
    return StoredWeights([StoredLayer(layer.name, layer.get_weights()) for layer in layers])


def _application(network: NetworkType, **arguments: Any) -> keras.Model:
    make: Callable[..., keras.Model] = getattr(keras.applications, network.application)
    return make(**network.arguments, **arguments)


def correct_normalization(model: keras.Model) -> None:
    """Scale the input of an EfficientNet as its ImageNet weights want it.

    The published weights hold the standard deviation of ImageNet's pixels where Keras looks for
    their variance (tensorflow#49930). Keras mends that where it downloads the weights, but not
    where it loads the same weights from a file; here the variance is put right in both cases.

    Only the published number is mended. A network that was trained here holds the right variance
    already, and one that was trained elsewhere holds what it was trained with.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance, count = layer.get_weights()
            if np.allclose(variance, IMAGENET_DEVIATION, rtol=1e-3):
                layer.set_weights([mean, IMAGENET_DEVIATION**2, count])
                layer.finalize_state()  # it computes with copies
