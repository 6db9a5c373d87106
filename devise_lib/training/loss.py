"""DeViSE's losses as differentiable functions. tests/numerics/ranking.py computes them by hand."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from devise_lib.training.settings import Objective
from devise_lib.training_choices import NegativeMining

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(objective: Objective, labels: Any, draw: keras.random.SeedGenerator) -> Loss:
    """Builds a loss over a fixed set of labels.

    Args:
        objective: the kind of loss, and its parameters.
        labels: (m, d), unit label vectors; `truth` refers to their rows. Labels without any image
            serve as wrong labels.
        draw: the random generator for drawing violators.

    Returns:
        A function from projected images (n, d) and truth (n,) to the mean loss over images, a
        scalar.

    Source: Frome et al., "DeViSE" (2013), eq. 1, for the rank loss.
    """
    matrix = ops.convert_to_tensor(labels, dtype="float32")  # (m, d)

    def loss(projected: Tensor, truth: Tensor) -> Tensor:
        if objective.normalize or objective.loss == "cosine":
            projected = ops.normalize(projected, axis=-1)
        right = ops.take(matrix, truth, axis=0)  # (n, d)
        if objective.loss == "cosine":
            return ops.mean(1.0 - ops.sum(projected * right, axis=1))
        scores = ops.matmul(projected, ops.transpose(matrix))  # (n, m)
        hinges = _hinges(scores, truth, objective.margin)
        value = ops.mean(_of_violators(hinges, objective.negative_mining, draw))
        if objective.loss == "rank_and_euclidean":
            value += ops.mean(_length(right - projected))
        return value

    return loss


def with_l2_sp(loss: Loss, weights: keras.Variable, strength: float) -> Loss:
    """Adds a penalty on the distance of the weights from their current values.

    The penalty is strength / 2 times |W - W_0|^2.

    Source: Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks"
    (2018), L2-SP.
    """
    start = ops.copy(weights)

    def pulled(projected: Tensor, truth: Tensor) -> Tensor:
        away = ops.sum(ops.square(weights - start))
        return loss(projected, truth) + strength / 2.0 * away

    return pulled


def _hinges(scores: Tensor, truth: Tensor, margin: float) -> Tensor:
    """Returns (n, m): how far each wrong label's score comes within the margin of the right
    one's.
    """
    right = ops.take_along_axis(scores, truth[:, None], axis=1)  # (n, 1)
    wrong = 1.0 - ops.one_hot(truth, scores.shape[1], dtype="float32")
    return ops.relu(margin - right + scores) * wrong


def _of_violators(
    hinges: Tensor, negative_mining: NegativeMining, draw: keras.random.SeedGenerator
) -> Tensor:
    """Returns (n,): the part of an image's hinges (n, m) that counts."""
    if negative_mining == "hardest":
        return ops.max(hinges, axis=1)
    if negative_mining == "one":
        hinges = hinges * ops.stop_gradient(_draw_one(hinges, draw))
    return ops.sum(hinges, axis=1)


def _draw_one(hinges: Tensor, draw: keras.random.SeedGenerator) -> Tensor:
    """Returns (n, m) with a single 1 per row, at a random violator, or anywhere if there is
    none.
    """
    lots = keras.random.uniform(ops.shape(hinges), seed=draw)
    lots = ops.where(hinges > 0, lots + 1.0, lots)
    return ops.one_hot(ops.argmax(lots, axis=1), hinges.shape[1], dtype="float32")


def _length(rows: Tensor) -> Tensor:
    """Returns the lengths (n,) of rows, with gradient 0 at a row of zeros, where that of a root is
    NaN.
    """
    return ops.sqrt(ops.maximum(ops.sum(ops.square(rows), axis=1), 1e-12))
