"""Networks of keras.applications up to their last activation map, and their ImageNet weights."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from devise_lib.backbone_catalog import NetworkType
from devise_lib.errors import InputError
from devise_lib.vision.networks.pixel_scaling import scale_pixels
from devise_lib.vision.networks.weights import StoredLayer, StoredWeights

IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)  # of R, G, B in [0, 1]


def application_map(network: NetworkType, photos: keras.KerasTensor) -> keras.KerasTensor:
    """Builds a network of keras.applications with random weights, up to its last activation map.

    The layers have the names that they have in keras.applications.

    Args:
        network: a network of the catalog with an `application`.
        photos: (n, size, size, 3), RGB in [0, 255].

    Returns:
        (n, h, w, channels).
    """
    x = scale_pixels(photos, network.scaling)
    return _application(network, include_top=False, weights=None, input_tensor=x).output


def download_imagenet(network: NetworkType, with_classifier: bool) -> StoredWeights:
    """Returns the ImageNet weights that Keras downloads, or finds in its cache (~/.keras/models).

    Args:
        network: a network of the catalog.
        with_classifier: whether to include the weights of the classifier.

    Raises:
        InputError: Keras has no such weights, or the download failed.
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
    except Exception as error:  # Keras raises this itself when a download fails
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
    """Corrects the input scaling of an EfficientNet with published ImageNet weights.

    The published weights hold the standard deviation of ImageNet's pixels where Keras expects their
    variance (tensorflow#49930). Keras corrects this when it downloads the weights, but not when it
    loads the same weights from a file. This function corrects the variance in both cases.

    Only the published number is corrected. A network that was trained here already holds the right
    variance. One that was trained elsewhere holds the number that it was trained with.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance, count = layer.get_weights()
            if np.allclose(variance, IMAGENET_DEVIATION, rtol=1e-3):
                layer.set_weights([mean, IMAGENET_DEVIATION**2, count])
                layer.finalize_state()  # the layer computes with copies of its weights
