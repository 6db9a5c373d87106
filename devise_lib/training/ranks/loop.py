"""The training loop that every rank runs; it knows its rank and the number of ranks only."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from math import isfinite
from typing import Any

import horovod.tensorflow as hvd
import keras
import tensorflow as tf
from horovod.spark.task import get_available_devices

from devise_lib.errors import DivergedError
from devise_lib.training.ranks.checkpoint import Checkpoint, State
from devise_lib.training.ranks.devices import choose_gpu
from devise_lib.training.ranks.schedule import LinearRamp, OneCycle, choose_rate, rates_to_try
from devise_lib.training.settings import Settings

Batches = Generator[tuple[Any, Any], None, None]
Feed = Callable[[int], Batches]
Loss = Callable[[Any, Any], Any]


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
    assigned = get_available_devices()  # by Spark; none where it deals no GPUs, or under horovodrun
    place = choose_gpu(assigned, len(gpus), hvd.local_rank(), hvd.local_size())
    if place is not None:
        tf.config.set_visible_devices(gpus[place], "GPU")
    keras.utils.set_random_seed(seed)
    return hvd.rank(), hvd.size()


def train(
    model: keras.Model,
    loss: Loss,
    optimizer: keras.optimizers.Optimizer,
    feed: Feed,
    steps_per_epoch: int,
    epochs: int,
    checkpoint: Checkpoint | None = None,
    draw: keras.random.SeedGenerator | None = None,
) -> Iterator[list[float]]:
    """Train with gradients averaged over all ranks, an epoch whenever the next value is asked for.

    Every rank takes `steps_per_epoch` steps an epoch, so none waits for another at the end; all
    must ask for as many values.

    Args:
        model: takes the first part of a batch.
        loss: of the model's output and the second part of a batch, a scalar.
        optimizer: made anew for this model.
        feed: an epoch's number, from 0, to its batches (inputs, targets), at least
            `steps_per_epoch` of them: this rank's share. The same batches whenever it is asked.
        steps_per_epoch: the same on every rank.
        epochs: passes over the data, all ranks together.
        checkpoint: where the first rank keeps the state now and then; training goes on from the
            state found there, in the middle of an epoch too.
        draw: what the loss draws by, if it does; each rank's has a seed of its own.

    Yields:
        The mean loss of each epoch so far, over all ranks; at the start, and after each epoch.

    Raises:
        DivergedError: a loss or a weight is not finite, on all ranks in the same epoch. No such
            state is kept.
    """
    optimizer.build(model.trainable_variables)
    variables = [v.value for v in [*model.weights, *optimizer.variables]]  # TensorFlow's own
    draws = _draws(model, draw)
    state = _start(variables, draws, checkpoint)
    step = _make_step(model, loss, optimizer)
    curve = state.losses
    yield curve
    for epoch in range(len(curve), epochs):
        total = tf.constant(state.total)
        with closing(feed(epoch)) as batches:  # its readers end with the epoch
            for _ in range(state.steps):
                next(batches)  # taken before the state was kept
            for number in range(state.steps + 1, steps_per_epoch + 1):
                inputs, targets = next(batches)
                total += step(tf.convert_to_tensor(inputs), tf.convert_to_tensor(targets))
                if checkpoint and number % checkpoint.every == 0 and number < steps_per_epoch:
                    middle = State(curve, number, _mean_of_ranks(total))
                    _require_finite(middle.total / number, variables, epoch)
                    _keep(checkpoint, [*variables, *draws], middle)
        state = State(curve, 0, 0.0)
        curve.append(_mean_of_ranks(total) / steps_per_epoch)
        average_statistics(model)
        _require_finite(curve[-1], variables, epoch)
        if checkpoint:
            _keep(checkpoint, [*variables, *draws], state)
        yield curve


def find_rate(
    model: keras.Model,
    loss: Loss,
    make: Callable[[Any], keras.optimizers.Optimizer],
    feed: Feed,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
) -> float:
    """A learning rate by a range test, the same on every rank; the model stays as it was.

    Args:
        model, loss, feed: as of `train`.
        make: an optimizer with the schedule that it is given.
        lowest, highest: of the rates that are tried, rising by a factor a step.
        steps: how many.

    Raises:
        InputError: the loss falls at none of them.
    """
    hvd.broadcast_variables([v.value for v in model.weights], root_rank=0)
    before = model.get_weights()
    rates = rates_to_try(lowest, highest, steps)
    optimizer = make(LinearRamp(lowest, highest, steps))
    optimizer.build(model.trainable_variables)
    step = _make_step(model, loss, optimizer)
    with closing(feed(0)) as batches:
        losses = [
            _mean_of_ranks(step(tf.convert_to_tensor(x), tf.convert_to_tensor(y)))
            for x, y in islice(batches, steps)
        ]
    model.set_weights(before)
    return choose_rate(rates, losses)


def _draws(model: keras.Model, draw: keras.random.SeedGenerator | None) -> list[Any]:
    """States of all random generators, dropout's too: each a seed and a count of draws."""
    weights = {id(variable) for variable in model.weights}  # which have no such state
    states = [variable.value for variable in model.variables if id(variable) not in weights]
    return states if draw is None else [*states, draw.state.value]


def _start(variables: list[Any], draws: list[Any], checkpoint: Checkpoint | None) -> State:
    """All ranks with the first rank's variables and state: what was kept, or the beginning.

    Of the draws they take the counts alone, since each rank has seeds of its own.
    """
    state = State([], 0, 0.0)
    if checkpoint and hvd.rank() == 0 and (kept := checkpoint.load()):
        state, values = kept
        for variable, value in zip([*variables, *draws], values, strict=True):
            variable.assign(value)
    hvd.broadcast_variables(variables, root_rank=0)
    found: State
    found, counts = of_first_rank((state, [int(each[1]) for each in draws]))
    for each, count in zip(draws, counts, strict=True):
        each.assign(tf.stack([each[0], tf.cast(count, each.dtype)]))
    return found


def _keep(checkpoint: Checkpoint, variables: list[Any], state: State) -> None:
    if hvd.rank() == 0:
        checkpoint.save(state, [variable.numpy() for variable in variables])


def _require_finite(loss: float, variables: list[Any], epoch: int) -> None:
    """Refuse a state that no further step can mend; the same on every rank.

    The weights are checked as well as the loss. The last step may have spoilt them after its loss
    was computed, and a loss of rectified hinges may be finite where weights are not.

    Within an epoch each rank has its own statistics of batch normalisation. So the ranks tell each
    other what they found. If only one stopped, the others would wait for its gradients.

    Raises:
        DivergedError: a number is not finite on some rank.
    """
    numbers = [variable for variable in variables if variable.dtype.is_floating]
    finite = [tf.reduce_all(tf.math.is_finite(variable)) for variable in numbers]
    mine = isfinite(loss) and bool(tf.reduce_all(finite))
    if float(hvd.allreduce(tf.constant(float(mine)), name="finite")) < 1.0:
        raise DivergedError(
            f"the training diverged in epoch {epoch + 1}: its loss is {loss:g}, or a weight is not "
            "finite; lower learning_rate"
        )


def of_first_rank(value: Any) -> Any:
    """What the first rank gives, on every rank."""
    return hvd.broadcast_object(value, root_rank=0, name="value")


def make_optimizer(settings: Settings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer of the settings, with its schedule."""
    rate: Any = settings.learning_rate
    if settings.schedule == "one_cycle":
        rate = OneCycle(rate, steps_per_epoch * settings.epochs)
    kinds = {"adagrad": keras.optimizers.Adagrad, "adam": keras.optimizers.Adam}
    return kinds[settings.optimizer](rate)


def _make_step(
    model: keras.Model, loss: Loss, optimizer: keras.optimizers.Optimizer
) -> Callable[[Any, Any], Any]:
    sources = [variable.value for variable in model.trainable_variables]

    @tf.function(reduce_retracing=True, autograph=False)
    def step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(model(inputs, training=True), targets)
        tape = hvd.DistributedGradientTape(tape)
        gradients = tape.gradient(value, sources)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    return step


def _mean_of_ranks(total: Any) -> float:
    return float(hvd.allreduce(total, name="loss"))


def average_statistics(model: keras.Model) -> None:
    """Batch normalisation gathers its mean and variance rank by rank; all ranks must agree.

    A layer that is frozen gathers none, and keeps its weights to the last bit.
    """
    gathered = [v for x in model.layers if x.trainable for v in x.non_trainable_variables]
    for i, variable in enumerate(gathered):
        if variable.dtype.startswith("float"):
            value = tf.convert_to_tensor(variable.value)
            variable.assign(hvd.allreduce(value, name=f"statistics_{i}"))
