"""DeViSE's first phase on one rank: trains a softmax network on pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.training.plan import RankPlan
from devise_lib.training.ranks.checkpoint import checkpoint_in
from devise_lib.training.ranks.feed import Epochs, Feed, to_photos

SHIFT = 4  # the largest random shift of a photo, pixels


@dataclass(frozen=True, kw_only=True)
class SoftmaxPlan(RankPlan):
    """The input of every rank.

    Attributes:
        file_urls: the files of PIXELS at one version.
        rows: the number of photos in the files.
        classes: the labels, in the order of the softmax.
        network: the bytes of the Keras file that training starts from; layers that are not
            trainable there stay so.
        image_size: side of a photo, pixels.
        epochs: passes over the photos.
        batch_size: photos per step, of all ranks together; a multiple of `readers`.
        learning_rate: the greatest rate of the schedule.
    """

    file_urls: Sequence[str]
    rows: int
    classes: Sequence[str]
    network: bytes
    image_size: int
    epochs: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class TrainedSoftmax:
    """The bytes of a Keras file, the mean loss per epoch, and the number of ranks."""

    keras_file: bytes
    losses: list[float]
    size: int


def train_softmax(plan: SoftmaxPlan) -> TrainedSoftmax | None:
    """Trains the plan's network; must be called on every rank.

    Returns:
        The trained network on the first rank; None on the others.

    Raises:
        DivergedError: the loss or a weight is not finite.
    """
    import keras  # TensorFlow belongs to the ranks, and takes 10 s to import

    from devise_lib.training.ranks.events import EventFiles
    from devise_lib.training.ranks.loop import Trainable, start_rank, train
    from devise_lib.vision.networks.keras_file import bytes_of_model, model_of_bytes

    rank, size = start_rank(plan.threads, plan.seed)
    steps = max(1, plan.rows // plan.batch_size)
    model = model_of_bytes(plan.network)
    total = steps * plan.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        plan.learning_rate / 30,
        total - total // 8,
        warmup_target=plan.learning_rate,
        warmup_steps=total // 8,
    )
    epochs = train(
        Trainable(model, _cross_entropy, shifted_photos(plan, rank, size), steps),
        keras.optimizers.AdamW(schedule, weight_decay=1e-4),
        plan.epochs,
        checkpoint_in(plan.folder, "softmax", plan.checkpoint_steps),
    )
    *_, losses = EventFiles("" if rank else plan.events).curves("softmax").follow(epochs)
    return None if rank else TrainedSoftmax(bytes_of_model(model), losses, size)


def _cross_entropy(probabilities: Any, truth: Any) -> Any:
    import keras

    return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(truth, probabilities))


def shifted_photos(plan: SoftmaxPlan, rank: int, size: int) -> Epochs:
    """Returns a function from an epoch's number to batches of photos and the numbers of their
    classes.

    Half of the photos are mirrored, and each batch is shifted by up to SHIFT pixels.
    """
    columns, rows = ("pixels", "label"), plan.batch_size
    feed = Feed(plan.file_urls, columns, rank, size, plan.readers, rows, 8 * rows, plan.seed)

    def prepare(epoch: int) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
        rng = np.random.default_rng([plan.seed, rank, epoch])

        def change(pixels: NDArray[Any]) -> NDArray[np.float32]:
            photos = to_photos(pixels, plan.image_size)
            mirrored = rng.random(len(photos)) < 0.5
            photos[mirrored] = photos[mirrored, :, ::-1]
            return np.roll(photos, rng.integers(-SHIFT, SHIFT + 1, 2), axis=(1, 2))

        return change

    return feed.labelled(plan.classes, prepare)
