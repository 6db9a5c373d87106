"""Runs decoded photos through a network in batches, and gives vectors or refusals."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from devise_lib.archive_kinds import is_keras_file
from devise_lib.errors import InputError
from devise_lib.reasons import Reason
from devise_lib.vision.images.decode import Refusal

_LOADED: dict[tuple[str, str], "Network"] = {}  # by digest and device; one model per process
MOST_WAITING = 4  # batches of results that wait until a batch is full

Pixels = NDArray[np.uint8]
Vectors = tuple[NDArray[np.float32], ...]  # of one photo, a vector per output of the network


class TakesPhotos(Protocol):
    """A network, or a stand-in for one: (n, image_size, image_size, 3) RGB to its outputs."""

    image_size: int

    def __call__(self, photos: Pixels, /) -> list[NDArray[np.float32]]: ...


class Network:
    """A network for inference, whose weights are constants of one compiled graph.

    TensorFlow folds batch normalisations with constant weights into the convolutions. On a CPU this
    gives 1.1 to 1.7 times the throughput of the Keras model.

    Args:
        network_file: the bytes of a .keras file, or of a frozen graph.
        threads: of TensorFlow.
        device: where the network runs, as TensorFlow names it: "/CPU:0", "/GPU:1".

    Attributes:
        image_size: side of the photos that it takes, pixels.
        dimensions: the length of the vector of each output.
        device: where the network runs.
    """

    def __init__(self, network_file: bytes, threads: int = 1, device: str = "/CPU:0") -> None:
        """Loads the network in safe mode, which runs no code from the file."""
        import tensorflow as tf  # takes 10 s with Keras, so only a process that computes imports it

        from devise_lib.vision.networks.frozen_graph import freeze, graph_of_bytes
        from devise_lib.vision.networks.keras_file import model_of_bytes

        _set_up(threads)
        self.device = device
        with tf.device(device):
            if is_keras_file(network_file):
                model = model_of_bytes(network_file)
                takes, gives = model.input_shape, model.outputs
                run = partial(model, training=False)
            else:
                run = graph_of_bytes(network_file)
                takes, gives = run.inputs[0].shape, run.outputs
            self.image_size = int(takes[1])
            self.dimensions = tuple(int(output.shape[-1]) for output in gives)
            shape = [None, self.image_size, self.image_size, 3]
            call = tf.function(
                lambda pixels: _as_tuple(run(tf.cast(pixels, tf.float32))),
                input_signature=[tf.TensorSpec(shape, tf.uint8)],
                autograph=False,
            )
            self._call = freeze(call.get_concrete_function())

    def __call__(self, photos: Pixels) -> list[NDArray[np.float32]]:
        """Maps photos (n, image_size, image_size, 3), RGB, to vectors (n, dimension) for each
        output.

        Raises:
            ValueError: the photos have another size, which the compiled graph would not check.
            InputError: TensorFlow does not compute on the GPU that Spark gave to the task.
        """
        import tensorflow as tf

        side = self.image_size
        if photos.shape[1:] != (side, side, 3):
            raise ValueError(f"photos are {photos.shape}, want (n, {side}, {side}, 3)")
        with tf.device(self.device):
            outputs = self._call(tf.constant(photos))
        if "GPU" in self.device and "GPU" not in outputs[0].device:
            raise InputError(
                f"Spark gave this task {self.device}, but TensorFlow computes on "
                f"{outputs[0].device}: install TensorFlow for GPUs, or give no GPU to the task"
            )
        return [output.numpy() for output in outputs]


def count_gpus() -> int:
    """Returns the number of GPUs that TensorFlow sees in this process."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def load_network(network_file: bytes, threads: int = 1, device: str = "/CPU:0") -> Network:
    """Returns the network of a file, loaded once per process and device."""
    key = hashlib.sha256(network_file).hexdigest(), device
    if key not in _LOADED:
        for old in [other for other in _LOADED if other[0] != key[0]]:
            del _LOADED[old]  # a worker serves one model at a time; this frees the old one's memory
        _LOADED[key] = Network(network_file, threads, device)
    return _LOADED[key]


def embed(
    network: TakesPhotos,
    decoded: Iterable[Pixels | Refusal],
    batch_size: int,
    precision: str = "float32",
) -> Iterator[Vectors | Refusal]:
    """Yields for each photo its vectors or its refusal, in order.

    Every call of the network has the same shape, because TensorFlow's kernels differ in the last
    bit from shape to shape. A photo's vector thus never depends on the photos beside it. The last
    batch is filled up with black photos. If most photos are refused, a batch is filled up earlier,
    because the caller holds the rows of all photos that wait.

    Args:
        network: takes photos of its `image_size`.
        decoded: (image_size, image_size, 3) RGB, or the refusal of a photo.
        batch_size: photos per call of the network.
        precision: "float32" or "float16", to which vectors are rounded.
    """
    batch = np.zeros((batch_size, network.image_size, network.image_size, 3), np.uint8)
    waiting: list[Refusal | None] = []  # None: the next photo of the batch
    filled = 0
    for photo in decoded:
        if isinstance(photo, Refusal):
            if not filled:  # no photo before it waits
                yield photo
                continue
            waiting.append(photo)
        else:
            batch[filled] = photo
            filled += 1
            waiting.append(None)
        if filled == batch_size or len(waiting) == MOST_WAITING * batch_size:
            yield from _run(network, batch, waiting, precision)
            waiting, filled = [], 0
    if filled:
        yield from _run(network, batch, waiting, precision)


def _run(
    network: TakesPhotos, batch: Pixels, waiting: list[Refusal | None], precision: str
) -> Iterator[Vectors | Refusal]:
    batch[waiting.count(None) :] = 0
    with np.errstate(over="ignore"):  # numbers too large for float16 become infinite
        outputs = [each.astype(precision).astype(np.float32) for each in network(batch)]
    vectors = iter(zip(*outputs, strict=True))
    for refusal in waiting:
        yield refusal or _finite(next(vectors))


def _finite(vectors: Vectors) -> Vectors | Refusal:
    if all(np.isfinite(vector).all() for vector in vectors):
        return vectors
    return Refusal(Reason.NOT_FINITE, "the network gave a number that is not finite")


def _as_tuple(outputs: Any) -> tuple[Any, ...]:
    return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


def _set_up(threads: int) -> None:
    import tensorflow as tf

    try:
        for gpu in tf.config.list_physical_devices("GPU"):  # else one process takes it all
            tf.config.experimental.set_memory_growth(gpu, True)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:  # another network has already run in this process and fixed the number
        return
