"""Converts Keras networks to and from the bytes of a .keras file, which Spark sends to workers."""

import hashlib
import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras


def digest_of_weights(model: keras.Model, made_of: str = "") -> str:
    """Returns eight hexadecimal digits of the digest of a network's weights.

    Args:
        model: the network.
        made_of: further text that enters the digest, such as the network's settings.
    """
    digest = hashlib.sha256(made_of.encode())
    for weights in model.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:8]


def bytes_of_model(model: keras.Model) -> bytes:
    """Returns the bytes of a network's .keras file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def model_of_bytes(keras_file: bytes) -> keras.Model:
    """Loads the network of a .keras file in safe mode, which runs no code from the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(keras_file)
        return keras.models.load_model(path, compile=False, safe_mode=True)
