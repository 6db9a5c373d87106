"""Logs trainings as MLflow runs below the job's own run."""

from dataclasses import asdict
from statistics import fmean

from devise_lib import tracking
from devise_lib.training.plan import Outcome
from devise_lib.training.settings import Settings


def log_outcome(outcome: Outcome) -> None:
    """Log a run for each trial and for each training, with its settings and its curves."""
    tracking.log_params({f"chosen_{k}": v for k, v in _flat(outcome.settings).items()})
    for number, trial in enumerate(outcome.trials):
        with tracking.child_run(f"trial {number}"):
            tracking.log_params(_flat(trial.settings))
            tracking.log_metrics({"diverged": float(trial.diverged)})
            losses = [fold.losses for fold in trial.folds]
            means = [fmean(epoch) for epoch in zip(*losses, strict=True)]
            tracking.log_curve("loss", means, first=1)
            for name in ("unseen_accuracy", "harmonic_mean", "gamma"):
                values = [getattr(score, name) for score in trial.scores]
                tracking.log_curve(f"validation_{name}", values, first=0)
    for name, trained in outcome.trained.items():
        with tracking.child_run(name):
            tracking.log_params(_flat(outcome.settings))
            tracking.log_curve("loss", trained.losses, first=1)


def _flat(settings: Settings) -> dict[str, object]:
    values = asdict(settings)
    return {**values.pop("objective"), **values}
