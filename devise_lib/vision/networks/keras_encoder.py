"""Image encoders that come as Keras files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from devise_lib.backbone_catalog import Scaling
from devise_lib.errors import InputError
from devise_lib.vision.networks.encoder_form import (
    CHANNELS,
    EncoderSettings,
    ImageEncoder,
    as_unit_vectors,
    no_scaling,
    side_of_photos,
)
from devise_lib.vision.networks.frozen_graph import PIXELS, first_line
from devise_lib.vision.networks.keras_file import bytes_of_model
from devise_lib.vision.networks.pixel_scaling import scale_pixels

# What the networks of keras.applications take, by the first letters of their names; the longest
# that fits counts. Those that are missing have layers of their own for it.
_SCALING_OF: Mapping[str, Scaling] = {
    "mobilenet_": "-1..1",
    "mobilenetv2_": "-1..1",
    "inception_": "-1..1",
    "xception": "-1..1",
    "nasnet_": "-1..1",
    "densenet": "imagenet",
    "vgg": "caffe",
    **{f"resnet{depth}": "caffe" for depth in (50, 101, 152)},
    **{f"resnet{depth}v2": "-1..1" for depth in (50, 101, 152)},
}


def open_keras_file(path: Path, settings: EncoderSettings) -> ImageEncoder:
    """Opens a .keras file.

    Raises:
        InputError: it does not load in safe mode, does not map photos to vectors, or something that
            it does not say is not given.
    """
    if settings.signature:
        raise InputError(f"{path} is a Keras file, which has no signatures: give none")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever the layers of a stranger raise
        raise InputError(
            f"{path} does not load in safe mode ({first_line(error)}): a network with Lambda or "
            "own layers must be exported as a SavedModel, by model.export('FOLDER')"
        ) from error
    if len(model.inputs) != 1:
        raise InputError(f"{path} has {len(model.inputs)} inputs, want one, of photos")
    size = side_of_photos(path, tuple(model.inputs[0].shape), settings)
    scaling = settings.scaling or _scaling_of(path, model)
    vectors = _output_of(path, model, settings.output)
    pixels = keras.Input((size, size, CHANNELS), name=PIXELS)
    found = keras.Model(model.inputs[0], vectors)(scale_pixels(pixels, scaling))
    unit = as_unit_vectors(path, found)
    network = keras.Model(pixels, unit, name="encoder")
    return ImageEncoder(network, bytes_of_model(network), size, int(unit.shape[-1]), scaling)


def _output_of(path: Path, model: keras.Model, layer: str) -> Any:
    if layer:
        names = [each.name for each in model.layers]
        if layer not in names:
            raise InputError(f"{path} has no layer {layer!r}; its last are {', '.join(names[-5:])}")
        return model.get_layer(layer).output
    if len(model.outputs) != 1:
        raise InputError(
            f"{path} has {len(model.outputs)} outputs: give register_model.output the name of the "
            f"layer of one; its last are {', '.join(each.name for each in model.layers[-5:])}"
        )
    return model.outputs[0]


def _scaling_of(path: Path, model: keras.Model) -> Scaling:
    """Returns what a Keras network takes, by its own layers for it, or its name."""
    own = (keras.layers.Rescaling, keras.layers.Normalization)
    if any(isinstance(layer, own) for layer in model.layers):
        return "0..255"
    fits = [start for start in _SCALING_OF if model.name.startswith(start)]
    if fits:
        return _SCALING_OF[max(fits, key=len)]
    raise no_scaling(path)
