"""Learning rates: the one-cycle policy, and the range test.

Sources: L. Smith, "A disciplined approach to neural network hyper-parameters" (2018); the same,
"Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3 (the range test).
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from devise_lib.errors import InputError

WARM_UP = 0.3  # share of the steps in which the rate rises
FIRST_PART = 25.0  # the peak is this many times the first rate
LAST_PART = 1e4  # the first rate is this many times the last


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises along half a cosine from peak / 25 to the peak, then falls along another to almost 0.

    Args:
        peak: the greatest rate.
        steps: of the whole training.
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak, self.steps = peak, steps

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step, counted from 0."""
        first = self.peak / FIRST_PART
        last = first / LAST_PART
        top = max(1.0, WARM_UP * self.steps)
        step = ops.cast(step, "float32")
        up = _half_cosine(first, self.peak, step / top)
        down = _half_cosine(self.peak, last, (step - top) / max(1.0, self.steps - top))
        return ops.where(step < top, up, down)

    def get_config(self) -> dict[str, float]:
        return {"peak": self.peak, "steps": self.steps}


def _half_cosine(start: float, end: float, way: Any) -> Any:
    way = ops.clip(way, 0.0, 1.0)
    return start + (end - start) * (1.0 - ops.cos(math.pi * way)) / 2.0


class LinearRamp(keras.optimizers.schedules.LearningRateSchedule):
    """The rates of a range test, `rates_to_try`, one per step."""

    def __init__(self, lowest: float, highest: float, steps: int) -> None:
        self.lowest, self.highest, self.steps = lowest, highest, steps

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step, counted from 0."""
        way = ops.cast(step, "float32") / max(1, self.steps - 1)
        return self.lowest * (self.highest / self.lowest) ** way

    def get_config(self) -> dict[str, float]:
        return {"lowest": self.lowest, "highest": self.highest, "steps": self.steps}


def rates_to_try(lowest: float, highest: float, steps: int) -> NDArray[np.float64]:
    """Returns the rates of a range test, (steps,), each a constant factor above the one before."""
    return np.geomspace(lowest, highest, steps)


def choose_rate(rates: NDArray[np.float64], losses: Sequence[float]) -> float:
    """Returns a tenth of the rate at which the loss was least: the greatest at which it still fell
    well.

    Args:
        rates: (n,), rising, of the steps of a range test.
        losses: (n,), the loss of each step; those from the first non-finite one on are ignored.

    Raises:
        InputError: the loss never fell.
    """
    finite = np.isfinite(losses)
    end = len(losses) if finite.all() else int(np.argmin(finite))
    smooth = _smooth(np.asarray(losses[:end]))
    least = int(np.argmin(smooth)) if end else 0
    if least == 0:
        raise InputError(
            f"the loss never fell from {losses[0] if end else 'not a number'} at any rate from "
            f"{rates[0]:g} to {rates[-1]:g}: give learning_rate a value of its own"
        )
    return float(rates[least]) / 10.0


def _smooth(values: NDArray[np.float64], memory: float = 0.9) -> NDArray[np.float64]:
    """Returns the exponential mean, corrected for its bias towards the start."""
    mean, smooth = 0.0, np.empty(len(values))
    for i, value in enumerate(values):
        mean = memory * mean + (1.0 - memory) * value
        smooth[i] = mean / (1.0 - memory ** (i + 1))
    return smooth
