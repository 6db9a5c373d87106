"""Image encoders that were made elsewhere, as networks that the jobs run.

An encoder maps photos to vectors. It comes as a Keras file, or as a SavedModel. Here it gets the
form of the project's own networks: RGB in [0, 255] to unit vectors.
"""

from pathlib import Path

import numpy as np

from devise_lib.archive_kinds import HEAD_BYTES, is_keras_file
from devise_lib.errors import InputError
from devise_lib.vision.networks.encoder_form import CHANNELS, EncoderSettings, ImageEncoder
from devise_lib.vision.networks.inference import Network
from devise_lib.vision.networks.keras_encoder import open_keras_file
from devise_lib.vision.networks.saved_model_encoder import open_saved_model

LEAST_COSINE = 0.9999  # of the vectors of the stored network with those of the encoder
SAME_COSINE = 1 - 1e-6  # at least this: two vectors are the same
NOISE_PHOTOS = 4


def open_encoder(path: Path, settings: EncoderSettings) -> ImageEncoder:
    """Opens an encoder, and tries it on photos of noise.

    Args:
        path: a .keras file, or the folder of a SavedModel.
        settings: what the encoder does not say itself.

    Raises:
        InputError: the path is neither, the encoder does not map photos to vectors, or something
            that it does not say is not given.
    """
    if path.is_dir():
        encoder = open_saved_model(path, settings)
    elif path.is_file() and is_keras_file(_head(path)):
        encoder = open_keras_file(path, settings)
    else:
        raise InputError(
            f"{path} is neither a .keras file of Keras 3 nor the folder of a SavedModel: save the "
            "network by model.save('NAME.keras') or model.export('FOLDER')"
        )
    _try(path, encoder)
    return encoder


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _try(path: Path, encoder: ImageEncoder) -> None:
    """Compares encoder and stored network on photos of noise.

    Raises:
        InputError: the two differ, a vector is not finite, or all vectors are the same.
    """
    side = encoder.image_size
    shape = (NOISE_PHOTOS, side, side, CHANNELS)
    photos = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    photos[0], photos[1] = 0, 255
    wanted = encoder(photos.astype(np.float32))
    if not np.isfinite(wanted).all():
        raise InputError(f"{path} gives vectors of noise that are not finite")
    if (wanted @ wanted[-1] >= SAME_COSINE).all():
        raise InputError(f"{path} gives black, white and noise the same vector: it sees no photo")
    [found] = Network(encoder.network_file)(photos)
    if (np.sum(found * wanted, axis=1) < LEAST_COSINE * np.sum(wanted**2, axis=1)).any():
        raise InputError(f"{path} gives other vectors when its weights are constants")
