"""The whole model as one Keras network: from pixels to a unit vector among the words."""

from importlib.metadata import distributions

import keras

from devise_lib.numerics.linear import Affine, Projection
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.keras_file import bytes_of_model, digest_of_weights, model_of_bytes

PROJECTION = "projection"  # what the names of its layers begin with


def assemble(backbone: Backbone, projection: Projection) -> keras.Model:
    """Backbone, projection and normalisation: (n, size, size, 3) RGB to (n, d_word) unit rows.

    One flat network, whose layers are the backbone's own: training one trains the other.
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
    """The part of an assembled network that gives features, (n, d_visual)."""
    return keras.Model(model.input, _projection_layers(model)[0].input)


def with_feature(keras_file: bytes) -> bytes:
    """The file of an assembled network that gives its features, too, as a second output."""
    model = model_of_bytes(keras_file)
    return bytes_of_model(keras.Model(model.input, [model.output, *features_of(model).outputs]))


def projection_of(model: keras.Model) -> Projection:
    """The part of an assembled network behind its features."""
    weights = (layer.get_weights() for layer in _projection_layers(model))
    return Projection(tuple(Affine(kernel.T, bias) for kernel, bias in weights))


def identity_of(features: keras.Model, name: str) -> str:
    """A name and a digest of the weights: the id of features that were fine-tuned."""
    return f"{name}-{digest_of_weights(features)}"


def _projection_layers(model: keras.Model) -> list[keras.layers.Dense]:
    return [layer for layer in model.layers if layer.name.startswith(PROJECTION)]


def requirements() -> list[str]:
    """What a program needs to load the model: Keras and TensorFlow, as they are here."""
    names = ("keras", "tensorflow-cpu", "tensorflow", "numpy")
    installed = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions()}
    return [f"{name}=={installed[name]}" for name in names if name in installed]
