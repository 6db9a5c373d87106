"""DeViSE's losses, differentiable; devise_lib.numerics.ranking is their oracle."""

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def make_rank_loss(
    labels: Any, margin: float, violators: Literal["all", "one"], normalize: bool, seed: int
) -> Loss:
    """The hinge rank loss over a fixed set of labels.

    Args:
        labels: (m, d) label vectors of unit norm, the rows that `truth` names.
        margin: how far the right label must lead, in the unit of a score.
        violators: "all" sums over every violating label (eq. 1); "one" draws one of them
            uniformly, which is the paper's truncated sum in random order (section 3.3).
        normalize: scale each projected image to unit norm first, so scores are cosines.
        seed: of the draw.

    Returns:
        A function of projected (n, d) and truth (n,) to the mean loss over images, a scalar.

    Source: Frome et al., "DeViSE" (2013), eq. 1.
    """
    matrix = ops.convert_to_tensor(labels, dtype="float32")  # (m, d)
    draw = keras.random.SeedGenerator(seed)

    def loss(projected: Tensor, truth: Tensor) -> Tensor:
        if normalize:
            projected = ops.normalize(projected, axis=-1)
        scores = ops.matmul(projected, ops.transpose(matrix))  # (n, m)
        right = ops.take_along_axis(scores, truth[:, None], axis=1)  # (n, 1)
        wrong = 1.0 - ops.one_hot(truth, matrix.shape[0], dtype="float32")
        hinges = ops.relu(margin - right + scores) * wrong  # (n, m)
        if violators == "one":
            chosen = ops.stop_gradient(_draw_one(hinges, draw))
            hinges = hinges * chosen
        return ops.mean(ops.sum(hinges, axis=1))

    return loss


def _draw_one(hinges: Tensor, draw: keras.random.SeedGenerator) -> Tensor:
    """(n, m) with a single 1 in each row, at a violator drawn uniformly (anywhere if none is)."""
    lots = keras.random.uniform(ops.shape(hinges), seed=draw)
    lots = ops.where(hinges > 0, lots + 1.0, lots)
    return ops.one_hot(ops.argmax(lots, axis=1), hinges.shape[1], dtype="float32")
