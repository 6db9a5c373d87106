"""DeViSE's second phase on one rank: the projection from features into the space of words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.linear import Projection, fold_standardisation
from devise_lib.training.feed import Feed


@dataclass(frozen=True)
class ProjectionPlan:
    """What every rank is given.

    Attributes:
        file_urls: FEATURES' training files at one version.
        rows: features in them.
        labels: the training labels, in the order of the label matrices' rows.
        targets: by the name of the model, (m, d_word) unit label vectors to train towards.
        mean, deviation: (d_visual,) of the features, which are standardised by them.
        batch_size: features a step, all ranks together.
    """

    file_urls: Sequence[str]
    rows: int
    labels: Sequence[str]
    targets: Mapping[str, NDArray[np.float32]]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    epochs: int
    batch_size: int
    learning_rate: float
    margin: float
    violators: Literal["all", "one"]
    normalize: bool
    dropout: float
    seed: int
    threads: int


@dataclass(frozen=True)
class Trained:
    """A trained projection, with its mean loss by epoch and the ranks that trained it."""

    projection: Projection
    losses: list[float]
    size: int


def train_projections(plan: ProjectionPlan) -> dict[str, Trained]:
    """Train one projection for each of the plan's targets; the same call on every rank.

    The map is linear, as in the paper (section 3.3), on standardised features; dropout acts on
    the features. Optimised by Adagrad, as there.
    """
    import keras  # TensorFlow belongs to the ranks, and takes 10 s to import

    from devise_lib.training.loop import start_rank, train
    from devise_lib.training.loss import make_rank_loss

    rank, size = start_rank(plan.threads, plan.seed)
    batch_rows = max(1, plan.batch_size // size)
    trained = {}
    for name, targets in plan.targets.items():
        keras.utils.set_random_seed(plan.seed)
        model = keras.Sequential(
            [
                keras.Input((len(plan.mean),)),
                keras.layers.Dropout(plan.dropout, seed=plan.seed + rank),
                keras.layers.Dense(targets.shape[1], use_bias=False),
            ]
        )
        losses = train(
            model,
            make_rank_loss(targets, plan.margin, plan.violators, plan.normalize, plan.seed + rank),
            keras.optimizers.Adagrad(plan.learning_rate),
            _batches(plan, rank, size, batch_rows),
            steps_per_epoch=max(1, plan.rows // (batch_rows * size)),
            epochs=plan.epochs,
        )
        weights = model.layers[-1].get_weights()[0].T.astype(np.float64)  # (d_word, d_visual)
        folded = fold_standardisation(weights, plan.mean, plan.deviation)
        trained[name] = Trained(folded, losses, size)
    return trained


def _batches(plan: ProjectionPlan, rank: int, size: int, rows: int) -> Iterator[tuple[Any, Any]]:
    feed = Feed(plan.file_urls, ("feature", "label"), rank, size, rows, 8 * rows, plan.seed)
    row_of = {label: row for row, label in enumerate(plan.labels)}
    mean = plan.mean.astype(np.float32)
    scale = (1.0 / plan.deviation).astype(np.float32)
    for batch in feed.batches():
        truth = np.array([row_of[label] for label in batch["label"]], dtype=np.int32)
        yield (batch["feature"] - mean) * scale, truth
