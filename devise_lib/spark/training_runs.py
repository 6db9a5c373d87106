"""Trainings as runs of MLflow below the job's own."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean

from devise_lib import tracking
from devise_lib.training.plan import Outcome
from devise_lib.training.settings import Settings


def log_outcome(outcome: Outcome) -> None:
    """A run for each trial and each training, with its settings and its curves."""
    tracking.log_params({f"chosen_{k}": v for k, v in _flat(outcome.settings).items()})
    for number, trial in enumerate(outcome.trials):
        with tracking.child_run(f"trial {number}"):
            tracking.log_params(_flat(trial.settings))
            losses = [fold.losses for fold in trial.folds]
            _log_curve("loss", [fmean(epoch) for epoch in zip(*losses, strict=True)], first=1)
            for name in ("alone", "harmonic", "gamma"):
                values = [getattr(score, name) for score in trial.scores]
                _log_curve(f"validation_{name}", values, first=0)
    for name, trained in outcome.trained.items():
        with tracking.child_run(name):
            tracking.log_params(_flat(outcome.settings))
            _log_curve("loss", trained.losses, first=1)


def _flat(settings: Settings) -> dict[str, object]:
    values = asdict(settings)
    return {**values.pop("objective"), **values}


def _log_curve(name: str, values: Sequence[float], first: int) -> None:
    """Values by epoch; `first` is 0 where there is one for the start."""
    for epoch, value in enumerate(values, first):
        tracking.log_metrics({name: value}, step=epoch)
