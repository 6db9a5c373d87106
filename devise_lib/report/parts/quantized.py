"""Vectors as bytes for the page: a number becomes one of 255 steps."""

import base64

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.vectors import FloatArray

STEPS = 127  # on each side of zero


def quantize(vectors: FloatArray) -> NDArray[np.int8]:
    """Round vectors (n, d) to int8, so that only their directions stay.

    Each vector is scaled so that its greatest absolute number becomes 127. A number is then wrong
    by half a step at most. A cosine of quantized vectors needs their own lengths.
    """
    rows = np.asarray(vectors, np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    scaled = np.divide(rows * STEPS, largest, out=np.zeros_like(rows), where=largest > 0)
    return np.rint(scaled).astype(np.int8)


def encode_vectors(vectors: FloatArray) -> str:
    """Quantize vectors (n, d) and return their bytes, row by row, in base64."""
    return base64.b64encode(quantize(vectors).tobytes()).decode("ascii")
