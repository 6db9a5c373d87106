"""Image encoders that come as SavedModels."""

import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from devise_lib.errors import InputError
from devise_lib.vision.networks.encoder_form import (
    CHANNELS,
    EncoderSettings,
    ImageEncoder,
    as_unit_vectors,
    no_scaling,
    side_of_photos,
)
from devise_lib.vision.networks.frozen_graph import PIXELS, bytes_of_graph, first_line
from devise_lib.vision.networks.pixel_scaling import scale_pixels

SERVING = "serving_default"


def open_saved_model(path: Path, settings: EncoderSettings) -> ImageEncoder:
    """Opens the folder of a SavedModel.

    Raises:
        InputError: it is none, none of its signatures maps photos to vectors, or something that it
            does not say is not given.
    """
    function = _signature(path, settings.signature or SERVING)
    name, spec = _photos_of(path, function)
    shape = tuple(spec.shape)
    first = shape[1] == CHANNELS != shape[3]  # channels before rows, as exported from PyTorch
    size = side_of_photos(path, (shape[0], *shape[2:], shape[1]) if first else shape, settings)
    scaling = settings.scaling
    if scaling is None:
        raise no_scaling(path)
    if spec.dtype.is_integer and scaling != "0..255":
        raise InputError(
            f"{path} takes {spec.dtype.name}, which scaling {scaling!r} would round: give 0..255"
        )
    chosen = _chosen_output(path, function, settings.output)

    def embed(pixels: Any) -> Any:
        photos = scale_pixels(pixels, scaling)
        if first:
            photos = tf.transpose(photos, (0, 3, 1, 2))
        vectors = function(**{name: tf.cast(photos, spec.dtype)})[chosen]
        return as_unit_vectors(path, tf.cast(vectors, tf.float32), first)

    shape_of_photos = tf.TensorSpec((None, size, size, CHANNELS), tf.float32, name=PIXELS)
    called = tf.function(embed, input_signature=[shape_of_photos], autograph=False)
    concrete = called.get_concrete_function()
    dimension = int(concrete.structured_outputs.shape[-1])
    return ImageEncoder(called, bytes_of_graph(concrete), size, dimension, scaling)


def _signature(path: Path, name: str) -> Any:
    """Returns a function of a SavedModel.

    TensorFlow takes characters such as [ in a path for a pattern, so a link with a plain name is
    used.
    """
    with tempfile.TemporaryDirectory(prefix="devise-") as plain:
        link = Path(plain) / "model"
        link.symlink_to(path.absolute())
        try:
            loaded = tf.saved_model.load(str(link))
        except Exception as error:  # of protobuf, of files or of TensorFlow
            what = first_line(error).replace(str(link), str(path))
            raise InputError(
                f"{path} is no folder of a SavedModel ({what}): give the one that holds "
                "saved_model.pb"
            ) from error
    if name not in loaded.signatures:
        raise InputError(
            f"{path} has no signature {name!r}: give register_model.signature one of "
            f"{', '.join(sorted(loaded.signatures)) or 'none'}"
        )
    function = loaded.signatures[name]
    function.of = loaded  # the variables live as long as the model
    return function


def _photos_of(path: Path, function: Any) -> tuple[str, Any]:
    """Returns name and spec of the input of a signature.

    Raises:
        InputError: the signature does not take photos, and nothing else.
    """
    inputs = function.structured_input_signature[1]
    found = ", ".join(f"{name} {spec.dtype.name} {spec.shape}" for name, spec in inputs.items())
    [*specs] = inputs.values()
    is_one = len(specs) == 1 and specs[0].shape.rank == 4
    if not is_one or not (specs[0].dtype.is_floating or specs[0].dtype.is_integer):
        raise InputError(
            f"the signature of {path} takes {found}; want one tensor of numbers, (photos, rows, "
            "columns, 3) or (photos, 3, rows, columns): give register_model.signature another one"
        )
    if specs[0].shape[0] is not None:
        raise InputError(
            f"the signature of {path} takes {specs[0].shape[0]} photos per call: export it for any "
            "number of photos"
        )
    return next(iter(inputs)), specs[0]


def _chosen_output(path: Path, function: Any, output: str) -> str:
    outputs = function.structured_outputs
    if output in outputs or (not output and len(outputs) == 1):
        return output or str(next(iter(outputs)))
    raise InputError(
        f"the signature of {path} gives {', '.join(sorted(outputs))}: name one by "
        f"register_model.output{f', not {output!r}' if output else ''}"
    )
