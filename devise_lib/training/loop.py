"""The training loop that every rank runs; it knows its rank and the number of ranks only."""

from collections.abc import Callable, Iterator
from typing import Any

import horovod.tensorflow as hvd
import keras
import tensorflow as tf

Batches = Iterator[tuple[Any, Any]]


def start_rank(threads: int, seed: int) -> tuple[int, int]:
    """Join the other ranks; returns rank and size. Takes one GPU a rank where there are any.

    Args:
        threads: cores of this rank.
        seed: of the weights, the same on every rank.
    """
    hvd.init()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[hvd.local_rank() % len(gpus)], "GPU")
    keras.utils.set_random_seed(seed)
    return hvd.rank(), hvd.size()


def train(
    model: keras.Model,
    loss: Callable[[Any, Any], Any],
    optimizer: keras.optimizers.Optimizer,
    batches: Batches,
    steps_per_epoch: int,
    epochs: int,
) -> list[float]:
    """Train with gradients averaged over all ranks.

    Every rank takes `epochs * steps_per_epoch` steps, so none waits for another at the end.

    Args:
        model: takes the first part of a batch.
        loss: of the model's output and the second part of a batch, a scalar.
        optimizer: made anew for this model.
        batches: (inputs, targets) without end, this rank's share.
        steps_per_epoch: the same on every rank.
        epochs: passes over the data, all ranks together.

    Returns:
        The mean loss of each epoch, over all ranks.
    """
    optimizer.build(model.trainable_variables)
    hvd.broadcast_variables([v.value for v in model.variables], root_rank=0)
    hvd.broadcast_variables([v.value for v in optimizer.variables], root_rank=0)

    sources = [variable.value for variable in model.trainable_variables]  # TensorFlow's own

    @tf.function(reduce_retracing=True, autograph=False)
    def step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(model(inputs, training=True), targets)
        tape = hvd.DistributedGradientTape(tape)
        gradients = tape.gradient(value, sources)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    curve = []
    for _ in range(epochs):
        total = tf.constant(0.0)
        for _ in range(steps_per_epoch):
            inputs, targets = next(batches)
            total += step(tf.convert_to_tensor(inputs), tf.convert_to_tensor(targets))
        curve.append(float(hvd.allreduce(total / steps_per_epoch, name="epoch_loss")))
    _average_statistics(model)
    return curve


def _average_statistics(model: keras.Model) -> None:
    """Batch normalisation gathers its mean and variance rank by rank; all ranks must agree."""
    for i, variable in enumerate(model.non_trainable_variables):
        if variable.dtype.startswith("float"):
            value = tf.convert_to_tensor(variable.value)
            variable.assign(hvd.allreduce(value, name=f"statistics_{i}"))
