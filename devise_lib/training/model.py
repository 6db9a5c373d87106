"""The whole DeViSE model as one Keras network, from pixels to a unit vector in the space of
words.
"""

from importlib.metadata import distributions

import keras

from devise_lib.numerics.linear import Affine, Projection
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.keras_file import bytes_of_model, digest_of_weights, model_of_bytes

PROJECTION = "projection"  # the names of the projection's layers begin with this


def assemble(backbone: Backbone, projection: Projection) -> keras.Model:
    """Joins backbone, projection and normalisation: (n, size, size, 3) RGB to (n, d_word) unit
    rows.

    The result is one flat network that shares its layers with the backbone, so training one trains
    the other.
    """
    features = backbone.features()
    outputs = features.output
    last = len(projection.layers) - 1
    for number, affine in enumerate(projection.layers):
        dense = keras.layers.Dense(
            len(affine.offset),
            activation=None if number == last else "relu",
            name=PROJECTION if number == last else f"{PROJECTION}_{number}",
        )
        outputs = dense(outputs)
        dense.set_weights([affine.matrix.T, affine.offset])
    outputs = keras.layers.UnitNormalization(name="embedding")(outputs)
    return keras.Model(features.input, outputs, name="devise")


def features_of(model: keras.Model) -> keras.Model:
    """Returns the part of an assembled network that computes features, (n, d_visual)."""
    return keras.Model(model.input, _projection_layers(model)[0].input)


def with_feature(keras_file: bytes) -> bytes:
    """Returns the Keras file of an assembled network with its features as a second output.

    Args:
        keras_file: the bytes of the assembled network's .keras file.
    """
    model = model_of_bytes(keras_file)
    return bytes_of_model(keras.Model(model.input, [model.output, *features_of(model).outputs]))


def projection_of(model: keras.Model) -> Projection:
    """Returns the part of an assembled network after its features, as a projection."""
    weights = (layer.get_weights() for layer in _projection_layers(model))
    return Projection(tuple(Affine(kernel.T, bias) for kernel, bias in weights))


def identity_of(features: keras.Model, name: str) -> str:
    """Returns the id of fine-tuned features: a name and a digest of the weights."""
    return f"{name}-{digest_of_weights(features)}"


def _projection_layers(model: keras.Model) -> list[keras.layers.Dense]:
    return [layer for layer in model.layers if layer.name.startswith(PROJECTION)]


def requirements() -> list[str]:
    """Returns the packages that a program needs to load the model, with the versions installed
    here.
    """
    names = ("keras", "tensorflow-cpu", "tensorflow", "numpy")
    installed = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions()}
    return [f"{name}=={installed[name]}" for name in names if name in installed]
