"""Train a softmax network on pixels: DeViSE's first phase, on one rank."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from devise_lib.training.ranks.checkpoint import checkpoint_in
from devise_lib.training.ranks.feed import Feed, label_indexer, to_photos

SHIFT = 4  # pixels


@dataclass(frozen=True)
class SoftmaxPlan:
    """What every rank is given.

    Attributes:
        file_urls: PIXELS' files at one version.
        rows: photos in them.
        classes: their labels, in the order of the softmax.
        network: the Keras file that training starts from; layers that it calls untrainable stay so.
        image_size: side of a photo, pixels.
        batch_size: photos a step, all ranks together; a multiple of `readers`.
        readers: of the feed; the ranks share them.
        folder: of the state that a killed training goes on from; "" for none.
        checkpoint_steps: steps between two that are kept within an epoch.
        events: the folder of TensorBoard's event files; "" for none.
    """

    file_urls: Sequence[str]
    rows: int
    classes: Sequence[str]
    network: bytes
    image_size: int
    epochs: int
    batch_size: int
    readers: int
    learning_rate: float
    seed: int
    threads: int
    folder: str = ""
    checkpoint_steps: int = 1_000
    events: str = ""


@dataclass(frozen=True)
class TrainedSoftmax:
    """A Keras file's bytes, the mean loss by epoch and the ranks that trained it."""

    keras_file: bytes
    losses: list[float]
    size: int


def train_softmax(plan: SoftmaxPlan) -> TrainedSoftmax | None:
    """Train the plan's network; the same call on every rank, the result from the first alone."""
    import keras  # TensorFlow belongs to the ranks, and takes 10 s to import

    from devise_lib.training.ranks.events import EventFiles
    from devise_lib.training.ranks.loop import start_rank, train
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
        model,
        _cross_entropy,
        keras.optimizers.AdamW(schedule, weight_decay=1e-4),
        make_feed(plan, rank, size),
        steps,
        plan.epochs,
        checkpoint_in(plan.folder, "softmax", plan.checkpoint_steps),
    )
    *_, losses = EventFiles("" if rank else plan.events).curves("softmax").follow(epochs)
    return None if rank else TrainedSoftmax(bytes_of_model(model), losses, size)


def _cross_entropy(probabilities: Any, truth: Any) -> Any:
    import keras

    return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(truth, probabilities))


def make_feed(
    plan: SoftmaxPlan, rank: int, size: int
) -> Callable[[int], Generator[tuple[Any, Any], None, None]]:
    """Photos and classes; half of the photos are mirrored, and each batch is shifted a little."""
    columns, rows = ("pixels", "label"), plan.batch_size
    feed = Feed(plan.file_urls, columns, rank, size, plan.readers, rows, 8 * rows, plan.seed)
    place = label_indexer(plan.classes)

    def epoch(number: int) -> Generator[tuple[Any, Any], None, None]:
        rng = np.random.default_rng([plan.seed, rank, number])
        for batch in feed.epoch(number):
            photos = to_photos(batch["pixels"], plan.image_size)
            mirrored = rng.random(len(photos)) < 0.5
            photos[mirrored] = photos[mirrored, :, ::-1]
            photos = np.roll(photos, rng.integers(-SHIFT, SHIFT + 1, 2), axis=(1, 2))
            yield photos, place(batch["label"])

    return epoch
