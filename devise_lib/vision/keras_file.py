"""A Keras network as the bytes of a file, the form in which it travels to the workers."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras


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
