"""What image encoders are opened with, and what comes out; checks that all kinds of them share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from devise_lib.archive_kinds import is_keras_file
from devise_lib.backbone_catalog import Scaling
from devise_lib.errors import InputError
from devise_lib.vision.networks.frozen_graph import EMBEDDING

CHANNELS = 3


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder takes photos, and which of its outputs gives the vectors.

    Attributes:
        image_size: the side of its photos in pixels; 0: the one of the network's input.
        scaling: what its first layer takes; None: by the layers or the name of a Keras network.
        output: the layer of a Keras network, or the output of a SavedModel; "": the only one.
        signature: of a SavedModel; "": "serving_default".
    """

    image_size: int = 0
    scaling: Scaling | None = None
    output: str = ""
    signature: str = ""


@dataclass(frozen=True)
class ImageEncoder:
    """An encoder in the form of the project's networks.

    Attributes:
        network: a Keras model, or a module of TensorFlow: (n, image_size, image_size, 3) RGB in
            [0, 255] to (n, dimension) unit vectors.
        network_file: the same as bytes, which `inference.Network` loads.
        image_size: the side of a photo in pixels.
        dimension: the length of a vector.
        scaling: what the first layer takes.
    """

    network: Any
    network_file: bytes
    image_size: int
    dimension: int
    scaling: Scaling

    @property
    def is_keras(self) -> bool:
        """Whether the network is a Keras model."""
        return is_keras_file(self.network_file)

    def __call__(self, photos: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps photos (n, image_size, image_size, 3), RGB, to vectors (n, dimension)."""
        return np.asarray(self.network(photos))


def no_scaling(path: Path) -> InputError:
    """Returns the error for an encoder whose scaling is neither given nor known."""
    return InputError(
        f"{path} does not say which range of pixels it takes: give register_model.scaling, which "
        "is 0..255, 0..1, -1..1, imagenet, clip or caffe"
    )


def side_of_photos(path: Path, shape: tuple[int | None, ...], settings: EncoderSettings) -> int:
    """Returns the side of the photos of an input of shape (n, rows, columns, channels)."""
    if len(shape) != 4 or shape[3] not in (CHANNELS, None):
        raise InputError(f"{path} takes {shape}, want photos: (photos, rows, columns, 3)")
    known = {side for side in shape[1:3] if side is not None}
    if settings.image_size:
        known.add(settings.image_size)
    if len(known) == 1:
        return known.pop()
    if known:
        given = f", and register_model.image_size is {settings.image_size}" * bool(
            settings.image_size
        )
        raise InputError(f"{path} takes {shape}{given}: want squares of one size")
    raise InputError(f"{path} takes photos of any size: give register_model.image_size")


def as_unit_vectors(path: Path, outputs: Any, channels_first: bool = False) -> Any:
    """Returns outputs of an encoder as unit vectors (n, d); a map is averaged over its places.

    Args:
        path: of the encoder, for errors.
        outputs: (n, d), or a map (n, rows, columns, d); a tensor of Keras or of TensorFlow.
        channels_first: whether a map is (n, d, rows, columns).

    Raises:
        InputError: the outputs are neither.
    """
    shape = tuple(outputs.shape)
    if len(shape) == 4:
        order = "channels_first" if channels_first else "channels_last"
        outputs = keras.layers.GlobalAveragePooling2D(order)(outputs)
    if len(shape) not in (2, 4) or outputs.shape[1] is None:
        raise InputError(
            f"{path} gives {shape}, want vectors (photos, numbers) or maps (photos, rows, "
            "columns, numbers): give register_model.output another one"
        )
    return keras.layers.UnitNormalization(name=EMBEDDING, dtype="float32")(outputs)
