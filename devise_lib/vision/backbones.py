"""Convolutional networks by name: built, read from weights, cut to features, split in two."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import InputError

FEATURE_LAYER = "feature"


@dataclass(frozen=True)
class Backbone:
    """A softmax network and what it was made for.

    Attributes:
        name: as in the configuration.
        model: (n, image_size, image_size, 3) RGB in [0, 255] to (n, classes) probabilities. Its
            layer FEATURE_LAYER gives the pooled features; one dense layer follows.
        classes: the label of each output.
        image_size: side of the input, pixels.
    """

    name: str
    model: keras.Model
    classes: list[str]
    image_size: int

    def features(self) -> keras.Model:
        """The network up to its pooled features, (n, d_visual)."""
        return keras.Model(self.model.inputs, self.model.get_layer(FEATURE_LAYER).output)

    def classifier(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights of the last layer: kernel (d_visual, classes) and bias (classes,)."""
        for layer in reversed(self.model.layers):
            weights = layer.get_weights()
            if weights:
                kernel, bias = weights
                return kernel.reshape(-1, kernel.shape[-1]), bias
        raise ValueError(f"backbone {self.name} has no layer with weights")

    def identity(self) -> str:
        """Name and a digest of the weights: the id that features carry."""
        digest = hashlib.sha256()
        for weights in self.model.get_weights():
            digest.update(weights.tobytes())
        return f"{self.name}-{digest.hexdigest()[:8]}"

    def save(self, folder: Path) -> None:
        """Write `backbone.keras` and `backbone.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / "backbone.keras")
        about = {"name": self.name, "classes": self.classes, "image_size": self.image_size}
        (folder / "backbone.json").write_text(json.dumps(about), encoding="utf-8")


def load_backbone(folder: Path) -> Backbone:
    """Read what `Backbone.save` wrote; no code from the file is run.

    Raises:
        InputError: there is none.
    """
    path = folder / "backbone.json"
    if not path.exists():
        raise InputError(f"no backbone in {folder}: run train_backbone first")
    about = json.loads(path.read_text(encoding="utf-8"))
    content = (folder / "backbone.keras").read_bytes()
    return backbone_of_bytes(about["name"], content, about["classes"], about["image_size"])


def backbone_of_bytes(
    name: str, keras_file: bytes, classes: list[str], image_size: int
) -> Backbone:
    """A backbone from the bytes of a Keras file; no code from it is run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.keras"
        path.write_bytes(keras_file)
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    return Backbone(name, model, classes, image_size)


def features_file(backbone: Backbone) -> bytes:
    """The Keras file of the network up to its features."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.keras"
        backbone.features().save(path)
        return path.read_bytes()


def small_cnn(classes: int, image_size: int) -> keras.Model:
    """A network of four convolutions that learns simple photos from scratch in a minute.

    160 features: enough to hold a vector of 64 to 100 numbers, few enough to train on 2 cores.
    """
    layers = keras.layers
    inputs = keras.Input((image_size, image_size, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for filters, stride, pool in ((32, 2, 1), (64, 1, 2), (96, 1, 2), (160, 1, 1)):
        x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)  # a run of a minute has few steps
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(pool)(x) if pool > 1 else x
    x = layers.GlobalAveragePooling2D(name=FEATURE_LAYER)(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def mobilenet(weights: Path, image_size: int) -> keras.Model:
    """MobileNet (width 0.75) with ImageNet's classes, from a file of weights.

    Raises:
        InputError: the file does not hold the weights of that network.
    """
    net = keras.applications.MobileNet(
        input_shape=(224, 224, 3), alpha=0.75, weights=None, classes=1000, dropout=0.0
    )
    try:
        net.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"{weights} does not hold weights of mobilenet_0.75_224: {error}"
        ) from error
    if image_size != 224:
        raise InputError(f"image_size is {image_size}, but mobilenet_0.75_224 wants 224")
    pooled = next(x for x in net.layers if isinstance(x, keras.layers.GlobalAveragePooling2D))
    kernel, bias = next(x for x in net.layers if x.name == "conv_preds").get_weights()
    inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.Model(net.inputs, pooled.output, name="mobilenet")(x)
    x = keras.layers.Flatten(name=FEATURE_LAYER)(x)
    head = keras.layers.Dense(kernel.shape[-1], activation="softmax")
    outputs = head(x)
    head.set_weights([kernel.reshape(-1, kernel.shape[-1]), bias])
    return keras.Model(inputs, outputs)


def read_classes(path: Path) -> list[str]:
    """The label of each output, from JSON {"0": [label, name], "1": ...}.

    Raises:
        InputError: the file is of another form.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return [str(table[str(i)][0]) for i in range(len(table))]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            f'{path}: want JSON {{"0": [label, name], "1": ...}}, one entry a class: {error!r}'
        ) from error
