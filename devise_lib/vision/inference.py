"""Photos in batches through a network: bytes in, vectors or refusals out."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from devise_lib.vision.images import Reason, Refusal, decode_inspected

_LOADED: dict[str, "Network"] = {}  # one network a worker process, whatever the number of tasks


class Network:
    """A Keras network for inference, compiled once.

    Attributes:
        image_size: side of the photos it takes, pixels.
        dimension: numbers of a vector.
    """

    def __init__(self, keras_file: bytes, threads: int) -> None:
        """Load a Keras file from its bytes, in safe mode: no code from the file is run."""
        import tensorflow as tf  # 10 s, with Keras: paid by the worker that computes, once

        from devise_lib.vision.keras_file import model_of_bytes

        _set_threads(threads)
        model = model_of_bytes(keras_file)
        self.image_size = int(model.input_shape[1])
        self.dimension = int(model.output_shape[-1])
        signature = tf.TensorSpec([None, self.image_size, self.image_size, 3], tf.float32)
        self._call = tf.function(
            lambda x: model(x, training=False), input_signature=[signature], autograph=False
        )

    def __call__(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, image_size, image_size, 3) RGB to (n, dimension)."""
        return np.asarray(self._call(photos.astype(np.float32)))


def load_network(keras_file: bytes, threads: int = 1) -> Network:
    """The network of a Keras file, loaded once in this process."""
    key = hashlib.sha256(keras_file).hexdigest()
    if key not in _LOADED:
        _LOADED.clear()  # a worker serves one model at a time; the old one's memory is given back
        _LOADED[key] = Network(keras_file, threads)
    return _LOADED[key]


def embed_photos(
    network: Network, contents: Sequence[bytes], batch_size: int
) -> list[NDArray[np.float32] | Refusal]:
    """A vector, or the reason why not, for each photo, in order."""
    results: list[NDArray[np.float32] | Refusal] = []
    for start in range(0, len(contents), batch_size):
        chosen = contents[start : start + batch_size]
        decoded = [decode_inspected(content, network.image_size) for content in chosen]
        good = [photo for photo in decoded if not isinstance(photo, Refusal)]
        vectors = iter(network(np.stack(good)) if good else ())
        for photo in decoded:
            results.append(photo if isinstance(photo, Refusal) else _finite(next(vectors)))
    return results


def _finite(vector: NDArray[np.float32]) -> NDArray[np.float32] | Refusal:
    if np.isfinite(vector).all():
        return vector
    return Refusal(Reason.NOT_FINITE, "the network gave a number that is not finite")


def _set_threads(threads: int) -> None:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:  # another network has run here already and fixed the number
        return
