"""DeViSE's second phase on one rank: the projection from features into the space of words."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.candidates import ByWords
from devise_lib.numerics.linear import Compatibility, Projection
from devise_lib.numerics.validation import Score, Validation
from devise_lib.training.checkpoint import Checkpoint
from devise_lib.training.feed import Feed
from devise_lib.training.settings import Settings


@dataclass(frozen=True)
class Rows:
    """What one training reads.

    Attributes:
        file_urls: files of FEATURES at one version.
        count: features in them.
        labels: theirs, in the order of the first rows of the targets.
        targets: (m, d_word) unit label vectors. Those behind the labels' own serve as wrong ones.
        softmax: (d_word, d_visual) of standardised features, how the backbone's softmax would map
            them; None where no setting starts there.
        mean, deviation: (d_visual,) of the features, which are standardised by them.
    """

    file_urls: Sequence[str]
    count: int
    labels: Sequence[str]
    targets: NDArray[np.float32]
    softmax: NDArray[np.float32] | None
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One training: of which method, a name for its files, its rows, settings and seed."""

    method: str
    name: str
    rows: Rows
    settings: Settings
    seed: int


@dataclass(frozen=True)
class ProjectionPlan:
    """What every rank is given.

    Attributes:
        trials: the settings to choose from, each on rows without the labels held out; none where
            there is no validation.
        control_trial: the control on the same rows; it takes the best trial's settings.
        validation: what the trials are scored by.
        runs: the trainings that are kept; with trials, they take the best one's settings.
        patience: epochs without a better score that end a trial.
        readers: of the feed; the ranks share them.
        folder: of checkpoints; "" for none.
        checkpoint_steps: steps between two of them.
        threads: cores of a rank.
    """

    trials: Sequence[Run]
    control_trial: Run | None
    validation: Validation | None
    runs: Sequence[Run]
    patience: int
    readers: int
    folder: str
    checkpoint_steps: int
    threads: int


@dataclass(frozen=True)
class Trained:
    """A trained projection, with its mean loss by epoch."""

    projection: Projection
    losses: list[float]


@dataclass(frozen=True)
class Trial:
    """A trial's scores by epoch, and its projection after the best one.

    Attributes:
        settings: with the number of epochs that was best.
        scores: of each epoch; the first is that of the start, before any.
        trained: after the best epoch.
    """

    settings: Settings
    scores: list[Score]
    trained: Trained

    @property
    def score(self) -> Score:
        """The best."""
        return max(self.scores, key=lambda score: score.value)


@dataclass(frozen=True)
class Outcome:
    """What training gives.

    Attributes:
        trials: in the plan's order.
        control_trial: with the best trial's settings.
        trained: the runs by name.
        settings: of these.
        size: number of ranks.
    """

    trials: list[Trial]
    control_trial: Trained | None
    trained: dict[str, Trained]
    settings: Settings
    size: int

    @property
    def best_trial(self) -> Trained | None:
        """The projection of the trial with the best score."""
        best = max(self.trials, key=lambda trial: trial.score.value, default=None)
        return best.trained if best else None


def train_projections(plan: ProjectionPlan) -> Outcome:
    """Choose the settings and train with them; the same call on every rank."""
    from devise_lib.training.loop import start_rank  # TensorFlow belongs to the ranks

    rank, size = start_rank(plan.threads, plan.runs[0].seed)
    trainer = _Trainer(plan, rank, size)
    trials = [trainer.try_out(run) for run in plan.trials]
    settings = plan.runs[0].settings
    if trials:
        settings = max(trials, key=lambda trial: trial.score.value).settings
    control = None
    if plan.control_trial:
        control = trainer.train(replace(plan.control_trial, settings=settings))
    trained = {run.name: trainer.train(replace(run, settings=settings)) for run in plan.runs}
    return Outcome(trials, control, trained, settings, size)


class _Trainer:
    def __init__(self, plan: ProjectionPlan, rank: int, size: int) -> None:
        self._plan, self._rank, self._size = plan, rank, size

    def train(self, run: Run) -> Trained:
        """Train for all epochs of the settings; goes on where a killed training was."""
        checkpoint = None
        if self._plan.folder:
            chosen = hashlib.sha256(repr(run.settings).encode()).hexdigest()[:8]
            path = Path(self._plan.folder) / f"{run.name}-{chosen}.npz"
            checkpoint = Checkpoint(path, self._plan.checkpoint_steps)
        return self._fit(run, checkpoint, None)

    def try_out(self, run: Run) -> Trial:
        """Train until the score has got no better for `patience` epochs."""
        from devise_lib.training.loop import of_first_rank

        validation, patience = self._plan.validation, self._plan.patience
        if validation is None:
            raise ValueError("trials want a validation")
        scores: list[Score] = []
        projections: list[Projection] = []  # small beside the features

        def observe(projection: Projection) -> bool:
            scores.append(validation.score(ByWords(Compatibility(projection))))
            projections.append(projection)
            return bool(patience) and len(scores) - 1 - _best(scores) >= patience

        losses = self._fit(run, None, observe).losses
        trial = None
        if self._rank == 0:
            epochs = _best(scores)
            settings = replace(run.settings, epochs=epochs)
            trial = Trial(settings, scores, Trained(projections[epochs], losses[:epochs]))
        return of_first_rank(trial)

    def _fit(
        self,
        run: Run,
        checkpoint: Checkpoint | None,
        observe: Callable[[Projection], bool] | None,
    ) -> Trained:
        """Train; `observe` sees the projection on the first rank, at the start and each epoch."""
        import keras

        from devise_lib.training.head import build_head, to_projection
        from devise_lib.training.loop import make_optimizer, train
        from devise_lib.training.loss import make_loss

        rows, settings = run.rows, run.settings
        keras.utils.set_random_seed(run.seed)
        head = build_head(len(rows.mean), rows.targets.shape[1], settings, run.seed + self._rank)
        if settings.start == "softmax" and rows.softmax is not None:
            kernel = head.layers[-1].get_weights()[0]
            head.layers[-1].set_weights([_scaled_like(rows.softmax.T, kernel)])

        def projection() -> Projection:
            return to_projection(head, rows.mean, rows.deviation)

        steps = max(1, rows.count // settings.batch_size)
        if observe is not None and self._rank == 0:
            observe(projection())
        losses = train(
            head,
            make_loss(settings.objective, rows.targets, run.seed + self._rank),
            make_optimizer(settings, steps),
            make_feed(run, self._rank, self._size, self._plan.readers),
            steps,
            settings.epochs,
            checkpoint,
            observe and (lambda: observe(projection())),
        )
        return Trained(projection(), losses)


def make_feed(
    run: Run, rank: int, size: int, readers: int
) -> Callable[[int], Iterator[tuple[Any, Any]]]:
    """An epoch's number to batches of standardised features and the rows of their labels."""
    rows, batch = run.rows, run.settings.batch_size
    feed = Feed(
        rows.file_urls, ("feature", "label"), rank, size, readers, batch, 8 * batch, run.seed
    )
    row_of = {label: row for row, label in enumerate(rows.labels)}
    mean = rows.mean.astype(np.float32)
    scale = (1.0 / rows.deviation).astype(np.float32)

    def epoch(number: int) -> Iterator[tuple[Any, Any]]:
        for part in feed.epoch(number):
            truth = np.array([row_of[label] for label in part["label"]], dtype=np.int32)
            yield (part["feature"] - mean) * scale, truth

    return epoch


def _best(scores: Sequence[Score]) -> int:
    return int(np.argmax([score.value for score in scores]))


def _scaled_like(start: NDArray[np.float32], drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """A start of the size that random weights would have: the optimizer's rate is for such."""
    return start * np.float32(drawn.std() / max(float(start.std()), 1e-12))
