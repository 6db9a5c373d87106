"""The training loop of every rank; it depends on the rank and on the number of ranks only."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
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
from devise_lib.training.ranks.feed import Epochs
from devise_lib.training.ranks.schedule import LinearRamp, OneCycle, choose_rate, rates_to_try
from devise_lib.training.settings import Settings

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Trainable:
    """A model with all that a step of its training needs, save the optimizer.

    Attributes:
        model: takes the first part of a batch.
        loss: a scalar function of the model's output and the second part of a batch.
        feed: maps an epoch's number, from 0, to this rank's batches (inputs, targets), at least
            `steps` of them. It must yield the same batches each time.
        steps: per epoch, the same on every rank.
        draw: the random generator of the loss, if it has one, with a different seed on each rank.
    """

    model: keras.Model
    loss: Loss
    feed: Epochs
    steps: int
    draw: keras.random.SeedGenerator | None = None


def start_rank(threads: int, seed: int) -> tuple[int, int]:
    """Joins the other ranks and takes one GPU if there are any.

    Args:
        threads: cores of this rank.
        seed: of the weights, the same on every rank.

    Returns:
        The rank and the number of ranks.

    Raises:
        InputError: the machine has no GPU for this rank.
    """
    hvd.init()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    assigned = get_available_devices()  # by Spark; none without GPUs or under horovodrun
    place = choose_gpu(assigned, len(gpus), hvd.local_rank(), hvd.local_size())
    if place is not None:
        tf.config.set_visible_devices(gpus[place], "GPU")
    keras.utils.set_random_seed(seed)
    return hvd.rank(), hvd.size()


def train(
    trainable: Trainable,
    optimizer: keras.optimizers.Optimizer,
    epochs: int,
    checkpoint: Checkpoint | None = None,
) -> Iterator[list[float]]:
    """Trains with gradients averaged over all ranks; runs one epoch per requested value.

    Every rank takes the same number of steps per epoch, so none waits for another at the end. All
    ranks must request the same number of values.

    Args:
        trainable: what is trained.
        optimizer: a new one for its model.
        epochs: passes over the data, of all ranks together.
        checkpoint: where the first rank saves the state. Training resumes from the state found
            there, also in the middle of an epoch.

    Yields:
        The mean loss of each epoch so far over all ranks, at the start and after each epoch.

    Raises:
        DivergedError: a loss or a weight is not finite; raised on all ranks in the same epoch. Such
            a state is not saved.
    """
    model, steps = trainable.model, trainable.steps
    optimizer.build(model.trainable_variables)
    variables = [v.value for v in [*model.weights, *optimizer.variables]]  # TensorFlow's variables
    draws = _draws(model, trainable.draw)
    state = _start(variables, draws, checkpoint)
    step = _make_step(trainable, optimizer)
    curve = state.losses
    yield curve
    for epoch in range(len(curve), epochs):
        total = tf.constant(state.total)
        with closing(trainable.feed(epoch)) as batches:  # ends its readers with the epoch
            for _ in range(state.steps):
                next(batches)  # these steps precede the checkpoint
            for number in range(state.steps + 1, steps + 1):
                inputs, targets = next(batches)
                total += step(tf.convert_to_tensor(inputs), tf.convert_to_tensor(targets))
                if checkpoint and number % checkpoint.every == 0 and number < steps:
                    middle = State(curve, number, _mean_of_ranks(total))
                    _require_finite(middle.total / number, variables, epoch)
                    _keep(checkpoint, [*variables, *draws], middle)
        state = State(curve, 0, 0.0)
        curve.append(_mean_of_ranks(total) / steps)
        average_statistics(model)
        _require_finite(curve[-1], variables, epoch)
        if checkpoint:
            _keep(checkpoint, [*variables, *draws], state)
        yield curve


def find_rate(
    trainable: Trainable,
    make: Callable[[Any], keras.optimizers.Optimizer],
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
) -> float:
    """Finds a learning rate by a range test, the same on every rank; the model is left unchanged.

    Args:
        trainable: what is trained.
        make: builds an optimizer with a given schedule.
        lowest, highest: the range of the tried rates, which rise by a constant factor per step.
        steps: the number of tried rates.

    Raises:
        InputError: the loss falls at none of the rates.
    """
    model = trainable.model
    hvd.broadcast_variables([v.value for v in model.weights], root_rank=0)
    before = model.get_weights()
    rates = rates_to_try(lowest, highest, steps)
    optimizer = make(LinearRamp(lowest, highest, steps))
    optimizer.build(model.trainable_variables)
    step = _make_step(trainable, optimizer)
    with closing(trainable.feed(0)) as batches:
        losses = [
            _mean_of_ranks(step(tf.convert_to_tensor(x), tf.convert_to_tensor(y)))
            for x, y in islice(batches, steps)
        ]
    model.set_weights(before)
    return choose_rate(rates, losses)


def _draws(model: keras.Model, draw: keras.random.SeedGenerator | None) -> list[Any]:
    """Returns the states of all random generators, dropout's included: a seed and a count of
    draws.
    """
    weights = {id(variable) for variable in model.weights}  # the other variables are such states
    states = [variable.value for variable in model.variables if id(variable) not in weights]
    return states if draw is None else [*states, draw.state.value]


def _start(variables: list[Any], draws: list[Any], checkpoint: Checkpoint | None) -> State:
    """Gives all ranks the first rank's variables and state, from its checkpoint or from the start.

    Of the random generators only the counts of draws are copied, because each rank has its own
    seeds.
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
    """Refuses a state from which no further step can recover; decides the same on every rank.

    The weights are checked as well as the loss. The last step may have spoilt them after its loss
    was computed, and a loss of rectified hinges may be finite where weights are not.

    Within an epoch each rank has its own statistics of batch normalisation. The ranks therefore
    exchange what they found. If only one stopped, the others would wait for its gradients.

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
    """Broadcasts a value of the first rank to all ranks."""
    return hvd.broadcast_object(value, root_rank=0, name="value")


def make_optimizer(settings: Settings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Builds the optimizer of the settings, with its schedule."""
    rate: Any = settings.learning_rate
    if settings.schedule == "one_cycle":
        rate = OneCycle(rate, steps_per_epoch * settings.epochs)
    kinds = {"adagrad": keras.optimizers.Adagrad, "adam": keras.optimizers.Adam}
    return kinds[settings.optimizer](rate)


def _make_step(
    trainable: Trainable, optimizer: keras.optimizers.Optimizer
) -> Callable[[Any, Any], Any]:
    model, loss = trainable.model, trainable.loss
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
    """Averages the statistics of batch normalisation over the ranks, which gather them separately.

    A frozen layer gathers none, and keeps its weights to the last bit.
    """
    gathered = [v for x in model.layers if x.trainable for v in x.non_trainable_variables]
    for i, variable in enumerate(gathered):
        if variable.dtype.startswith("float"):
            value = tf.convert_to_tensor(variable.value)
            variable.assign(hvd.allreduce(value, name=f"statistics_{i}"))
