"""A Keras network as the bytes of a file, the form in which it travels to the workers."""

import hashlib
import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras


def digest_of_weights(model: keras.Model, made_of: str = "") -> str:
    """Eight hexadecimal digits of its weights, and of what else makes it what it is."""
    digest = hashlib.sha256(made_of.encode())
    for weights in model.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:8]


def bytes_of_model(model: keras.Model) -> bytes:
    """The bytes of its .keras file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def model_of_bytes(keras_file: bytes) -> keras.Model:
    """The network of a .keras file, in safe mode: no code from the file is run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(keras_file)
        return keras.models.load_model(path, compile=False, safe_mode=True)
