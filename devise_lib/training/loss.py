"""DeViSE's losses, differentiable; tests/numerics/ranking.py is their oracle."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from devise_lib.training.settings import NegativeMining, Objective

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(objective: Objective, labels: Any, draw: keras.random.SeedGenerator) -> Loss:
    """A loss over a fixed set of labels.

    Args:
        objective: which, and its margin.
        labels: (m, d) label vectors of unit norm, the rows that `truth` names. Those that no
            image has serve as wrong labels.
        draw: what violators are drawn by.

    Returns:
        A function of projected (n, d) and truth (n,) to the mean loss over images, a scalar.

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
    """The loss and a pull back to where the weights are now: strength / 2 times |W - W_0|^2.

    Source: Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks"
    (2018), L2-SP.
    """
    start = ops.copy(weights)

    def pulled(projected: Tensor, truth: Tensor) -> Tensor:
        away = ops.sum(ops.square(weights - start))
        return loss(projected, truth) + strength / 2.0 * away

    return pulled


def _hinges(scores: Tensor, truth: Tensor, margin: float) -> Tensor:
    """(n, m): how far each wrong label comes within the margin of the right one."""
    right = ops.take_along_axis(scores, truth[:, None], axis=1)  # (n, 1)
    wrong = 1.0 - ops.one_hot(truth, scores.shape[1], dtype="float32")
    return ops.relu(margin - right + scores) * wrong


def _of_violators(
    hinges: Tensor, negative_mining: NegativeMining, draw: keras.random.SeedGenerator
) -> Tensor:
    """(n,): what of its hinges (n, m) counts for each image."""
    if negative_mining == "hardest":
        return ops.max(hinges, axis=1)
    if negative_mining == "one":
        hinges = hinges * ops.stop_gradient(_draw_one(hinges, draw))
    return ops.sum(hinges, axis=1)


def _draw_one(hinges: Tensor, draw: keras.random.SeedGenerator) -> Tensor:
    """(n, m) with a single 1 in each row, at a violator drawn uniformly (anywhere if none is)."""
    lots = keras.random.uniform(ops.shape(hinges), seed=draw)
    lots = ops.where(hinges > 0, lots + 1.0, lots)
    return ops.one_hot(ops.argmax(lots, axis=1), hinges.shape[1], dtype="float32")


def _length(rows: Tensor) -> Tensor:
    """(n,); the gradient at a row of zeros is zero, where that of a plain root is not a number."""
    return ops.sqrt(ops.maximum(ops.sum(ops.square(rows), axis=1), 1e-12))
