"""Builds softmax networks by name, with random weights, with given weights, or with a mixture.

All networks take RGB in [0, 255] and are flat Keras models without custom layers. They end alike:
the last activation map, its average over all places (POOLED), then dense layers, the last of which
is the softmax.
"""

from collections.abc import Sequence

import keras

from devise_lib.backbone_catalog import IMAGENET, NetworkType, network_type
from devise_lib.errors import InputError
from devise_lib.storage.copies import fetched
from devise_lib.vision.networks.applications import (
    application_map,
    correct_normalization,
    download_imagenet,
)
from devise_lib.vision.networks.cifar_resnet import cifar_resnet_map
from devise_lib.vision.networks.small_cnn import small_cnn_map
from devise_lib.vision.networks.squeezenet import squeezenet_map
from devise_lib.vision.networks.weights import StoredLayer, StoredWeights, load_layers, open_weights

POOLED, HIDDEN, SOFTMAX = "pooled", "hidden", "softmax"  # layers that every network may have


def make_network(name: str, classes: int, image_size: int) -> keras.Model:
    """Builds a network with random weights.

    Args:
        name: of a network in `devise_lib.backbone_catalog`.
        classes: the number of softmax outputs.
        image_size: side of a photo, pixels.

    Returns:
        A model from (n, image_size, image_size, 3), RGB in [0, 255], to (n, classes) probabilities.
    """
    return _assemble(network_type(name), classes, image_size)


def read_network(name: str, weights: str, classes: int, image_size: int) -> keras.Model:
    """Builds a network with trained weights, its own classifier included.

    Args:
        name: of a network in `devise_lib.backbone_catalog`.
        weights: "imagenet", or the path of a file that has the classifier, too.
        classes: the number of classes of the classifier.
        image_size: side of a photo, pixels.

    Raises:
        InputError: the file does not hold these weights, or they cannot be downloaded.
    """
    network = network_type(name)
    if not network.dense_top:
        raise InputError(
            f"the classifier of {name} is no dense layer on pooled features: leave out `classes`, "
            "and a new softmax is trained"
        )
    model = _assemble(network, classes, image_size)
    rest = _load_body(model, network, weights, with_classifier=True)
    if network.hidden and len(rest) == 2:  # published weights; ours have the softmax alone
        pooled = model.get_layer(POOLED).output
        model = _with_classifier(model.input, pooled, network, classes, network.hidden)
    heads = [layer for layer in model.layers if layer.name in (HIDDEN, SOFTMAX)]
    if len(rest) != len(heads):
        raise _does_not_hold(
            weights, name, f"it has {len(rest)} layers of a classifier, want {len(heads)}"
        )
    for head, stored in zip(heads, rest, strict=True):
        kernel, bias = (tuple(weight.shape) for weight in head.weights)
        if stored.shapes() not in ([kernel, bias], [(1, 1, *kernel), bias]):
            raise _does_not_hold(
                weights, name, f"{stored.name} is {stored.shapes()}, want {[kernel, bias]}"
            )
        values, offsets = stored.arrays()  # of a dense layer or a 1x1 convolution
        head.set_weights([values.reshape(kernel), offsets])
    return model


def network_to_train(
    name: str, weights: str, classes: int, image_size: int, trainable_layers: int, seed: int
) -> keras.Model:
    """Builds a network with a new softmax, on given or random weights.

    Args:
        name: of a network in `devise_lib.backbone_catalog`.
        weights: "imagenet", or the path of a file, whose classifier is ignored; "" for random
            weights.
        classes: the number of outputs of the new softmax.
        image_size: side of a photo, pixels.
        trainable_layers: how many of the last layers with weights before the softmax are trained
            with it; -1 for all. The others are frozen, including the statistics of their batch
            normalisation.
        seed: of the random weights, and of all later random numbers of Keras.

    Raises:
        InputError: the file does not hold these weights, or they cannot be downloaded.
    """
    keras.utils.set_random_seed(seed)
    model = make_network(name, classes, image_size)
    if weights:
        _load_body(model, network_type(name), weights, with_classifier=False)
    if trainable_layers >= 0:
        train_last(_body(model), trainable_layers)
    return model


def train_last(layers: Sequence[keras.Layer], count: int) -> None:
    """Makes the last `count` layers trainable and freezes the others.

    Frozen batch normalisation keeps its statistics, too.
    """
    for place, layer in enumerate(layers):
        layer.trainable = place >= len(layers) - count


def _assemble(network: NetworkType, classes: int, image_size: int) -> keras.Model:
    inputs = keras.Input((image_size, image_size, 3), name="photo")
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLED)(_last_map(network, inputs))
    return _with_classifier(inputs, pooled, network, classes)


def _with_classifier(
    inputs: keras.KerasTensor,
    pooled: keras.KerasTensor,
    network: NetworkType,
    classes: int,
    hidden: int = 0,
) -> keras.Model:
    x = pooled
    if hidden:
        x = keras.layers.Dense(hidden, activation="hard_swish", name=HIDDEN)(x)
    outputs = keras.layers.Dense(classes, activation="softmax", name=SOFTMAX)(x)
    return keras.Model(inputs, outputs, name=network.name.replace(".", "_"))


def _last_map(network: NetworkType, photos: keras.KerasTensor) -> keras.KerasTensor:
    if network.application:
        return application_map(network, photos)
    if network.depth:
        return cifar_resnet_map(photos, network.depth)
    return {"small_cnn": small_cnn_map, "squeezenet_1.1": squeezenet_map}[network.name](photos)


def _body(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers with weights up to the last map, in order."""
    return [x for x in model.layers if x.weights and x.name not in (HIDDEN, SOFTMAX)]


def _load_body(
    model: keras.Model, network: NetworkType, weights: str, with_classifier: bool
) -> list[StoredLayer]:
    """Loads the weights of all layers but the classifier's; returns the remaining weights."""
    heads = 2 if network.hidden else 1

    def load(stored: StoredWeights) -> list[StoredLayer]:
        try:
            rest = load_layers(model, _body(model), stored, named=not network.application)
            if len(rest) <= heads:
                return [StoredLayer(layer.name, layer.arrays()) for layer in rest]
        except ValueError as error:
            raise _does_not_hold(weights, network.name, str(error)) from error
        names = ", ".join(layer.name for layer in rest[:3])  # the file is of a deeper network
        fault = f"it has {len(rest)} layers more than that: {names} ..."
        raise _does_not_hold(weights, network.name, fault)

    if weights == IMAGENET:
        rest = load(download_imagenet(network, with_classifier))
    else:
        with fetched(weights) as path, open_weights(path) as stored:
            rest = load(stored)
    correct_normalization(model)
    return rest


def _does_not_hold(weights: str, name: str, fault: str) -> InputError:
    return InputError(f"{weights} does not hold weights of {name}: {fault}")
