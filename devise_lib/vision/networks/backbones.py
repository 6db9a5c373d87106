"""A trained softmax network: saving and loading, and splitting it into features and classifier."""

import hashlib
import json
import unicodedata
from dataclasses import dataclass

import keras
import numpy as np

from devise_lib.errors import InputError
from devise_lib.numerics.candidates import SoftmaxLayer
from devise_lib.storage.copies import fetched
from devise_lib.storage.stores import store_files
from devise_lib.vision.networks.build import POOLED
from devise_lib.vision.networks.keras_file import bytes_of_model, digest_of_weights, model_of_bytes

MAP = "map"
NETWORK_FILE, ABOUT_FILE = "backbone.keras", "backbone.json"
DIGEST = "sha256"  # of the Keras file, in the JSON beside it
# Training and evaluation sum d x d numbers for features of dimension d: 0.5 GB per task here.
MAX_DIMENSION = 8_192


@dataclass(frozen=True)
class Backbone:
    """A softmax network with its classes and the layer that gives the features.

    Attributes:
        name: as in the configuration.
        model: a network of `networks.build`: (n, image_size, image_size, 3) RGB in [0, 255] to (n,
            classes) probabilities.
        classes: the label of each output.
        image_size: side of the input, pixels.
        feature_layer: the layer of the features: "pooled"; "map", the activation map that pooling
            averages; or the name of a layer of the model.

    Raises:
        InputError: there is no such layer, or it has more than MAX_DIMENSION numbers per photo.
    """

    name: str
    model: keras.Model
    classes: list[str]
    image_size: int
    feature_layer: str = POOLED

    def __post_init__(self) -> None:
        tensor = self._feature_tensor()
        dimension = int(np.prod(tensor.shape[1:]))
        if dimension > MAX_DIMENSION:
            raise InputError(
                f"feature_layer {self.feature_layer!r} of {self.name} has {dimension:,} numbers "
                f"per photo of {self.image_size} pixels, at most {MAX_DIMENSION:,} can be taken: "
                "give a smaller image_size or another layer"
            )

    def features(self) -> keras.Model:
        """Returns the network up to its features, (n, d_visual); a map is flattened row by row."""
        tensor = self._feature_tensor()
        if len(tensor.shape) > 2:
            tensor = keras.layers.Flatten()(tensor)
        return keras.Model(self.model.input, tensor)

    def classifier(self) -> SoftmaxLayer:
        """Returns the softmax as a layer on the features; without classes if it is not linear in
        them.

        For pooled features this is the network's last layer. Pooling is linear, so for the map it
        is the same layer with kernel / (h w) at every place. The logits are no linear function of
        features from deeper layers.
        """
        pooled, last = self.model.get_layer(POOLED), self.model.layers[-1]
        kernel, bias = last.get_weights()
        tensor = self._feature_tensor()
        if tensor is last.input:
            return SoftmaxLayer(kernel, bias, self.classes)
        if tensor is pooled.input and pooled.output is last.input:
            places = int(np.prod(tensor.shape[1:3]))
            return SoftmaxLayer(np.tile(kernel / places, (places, 1)), bias, self.classes)
        dimension = int(np.prod(tensor.shape[1:]))
        return SoftmaxLayer(np.zeros((dimension, 0), np.float32), np.zeros(0, np.float32), [])

    def _feature_tensor(self) -> keras.KerasTensor:
        if self.feature_layer == MAP:
            return self.model.get_layer(POOLED).input
        names = [layer.name for layer in self.model.layers[1:-1]]  # neither photos nor classes
        if self.feature_layer not in names:
            raise InputError(
                f"{self.name} has no layer {self.feature_layer!r} to take features from: want "
                f"{POOLED!r}, {MAP!r} or one of {', '.join(names)}"
            )
        return self.model.get_layer(self.feature_layer).output

    def identity(self) -> str:
        """Returns the id of the features: the name, and a digest of weights, image size and
        layer.
        """
        made_of = json.dumps([self.image_size, self.feature_layer])
        return f"{self.name}-{digest_of_weights(self.model, made_of)}"

    def save(self, folder: str) -> None:
        """Writes `backbone.keras` and `backbone.json`, each atomically.

        The JSON file holds a digest of the Keras file. A run that is killed between the two leaves
        files that do not match, and `load_backbone` refuses them.
        """
        keras_file = bytes_of_model(self.model)
        about = {
            "name": self.name,
            "classes": self.classes,
            "image_size": self.image_size,
            "feature_layer": self.feature_layer,
            DIGEST: hashlib.sha256(keras_file).hexdigest(),
        }
        files = store_files()
        files.write(f"{folder}/{NETWORK_FILE}", keras_file)
        files.write(f"{folder}/{ABOUT_FILE}", json.dumps(about).encode())


def backbone_folder(work_dir: str) -> str:
    """Returns the folder of the backbone that train_backbone has made or imported last."""
    return f"{work_dir}/checkpoints/train_backbone"


def load_backbone(folder: str) -> Backbone:
    """Loads a backbone that `Backbone.save` wrote; runs no code from the file.

    Raises:
        InputError: there is no backbone, its files do not match, or it is of an older version.
    """
    content = store_files().read(f"{folder}/{ABOUT_FILE}")
    if content is None:
        raise InputError(f"no backbone in {folder}: run train_backbone first")
    about = json.loads(content)
    if DIGEST not in about:
        raise InputError(f"{folder} is of another version of train_backbone: run it again")
    keras_file = store_files().read(f"{folder}/{NETWORK_FILE}") or b""
    if hashlib.sha256(keras_file).hexdigest() != about[DIGEST]:
        raise InputError(
            f"{folder}/{NETWORK_FILE} is not the network that {ABOUT_FILE} describes: a run of "
            "train_backbone was killed while it wrote them, or one was exchanged; run "
            "train_backbone again"
        )
    return Backbone(
        about["name"],
        model_of_bytes(keras_file),
        about["classes"],
        about["image_size"],
        about["feature_layer"],
    )


def features_file(backbone: Backbone) -> bytes:
    """Returns the bytes of the Keras file of the network up to its features."""
    return bytes_of_model(backbone.features())


def read_classes(path: str) -> list[str]:
    """Reads the label of each output from JSON {"0": [label, name], "1": ...}, or a backbone.json.

    Labels are normalised to Unicode NFC.

    Raises:
        InputError: the file is of another form.
    """
    try:
        with fetched(path) as local:
            table = json.loads(local.read_text(encoding="utf-8"))
        if "classes" in table:  # of Backbone.save
            labels = table["classes"]
        else:
            labels = [table[str(i)][0] for i in range(len(table))]
        return [unicodedata.normalize("NFC", str(label)) for label in labels]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            f'{path}: want JSON {{"0": [label, name], "1": ...}}, one entry per class, or the '
            f"backbone.json of an earlier train_backbone: {error!r}"
        ) from error
