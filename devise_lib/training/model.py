"""The whole model as one Keras network: from pixels to a unit vector among the words."""

from importlib.metadata import distributions

import keras

from devise_lib.numerics.linear import Projection
from devise_lib.vision.backbones import Backbone


def assemble(backbone: Backbone, projection: Projection) -> keras.Model:
    """Backbone, projection and normalisation: (n, size, size, 3) RGB to (n, d_word) unit rows."""
    features = backbone.features()
    inputs = keras.Input(features.input_shape[1:], name="photo")
    outputs = features(inputs)
    last = len(projection.layers) - 1
    for number, affine in enumerate(projection.layers):
        dense = keras.layers.Dense(
            len(affine.offset),
            activation=None if number == last else "relu",
            name="projection" if number == last else f"projection_{number}",
        )
        outputs = dense(outputs)
        dense.set_weights([affine.matrix.T, affine.offset])
    outputs = keras.layers.UnitNormalization(name="embedding")(outputs)
    return keras.Model(inputs, outputs, name="devise")


def requirements() -> list[str]:
    """What a program needs to load the model: Keras and TensorFlow, as they are here."""
    names = ("keras", "tensorflow-cpu", "tensorflow", "numpy")
    installed = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions()}
    return [f"{name}=={installed[name]}" for name in names if name in installed]
