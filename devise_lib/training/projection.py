"""DeViSE's second phase on one rank: the projection from features into the space of words."""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import DivergedError
from devise_lib.numerics.linear import Projection
from devise_lib.numerics.validation import Score, choose_by_one_standard_error, score_projections
from devise_lib.training.plan import (
    DatasetSpec,
    Outcome,
    ProjectionPlan,
    Trained,
    TrainingSpec,
    TrialResult,
)
from devise_lib.training.ranks.checkpoint import Checkpoint, checkpoint_in
from devise_lib.training.ranks.feed import Cache, Feed, label_indexer, make_cache
from devise_lib.training.settings import Settings

SNAPSHOTS = 6  # of the photos that are followed, at the most


def train_projections(plan: ProjectionPlan) -> Outcome:
    """Choose the settings and train with them; the same call on every rank."""
    from devise_lib.training.ranks.loop import start_rank  # TensorFlow belongs to the ranks

    rank, size = start_rank(plan.threads, plan.seed)
    with make_cache(plan.cache_bytes, size) as cache:
        return _choose_and_train(plan, _Trainer(plan, rank, size, cache))


def _choose_and_train(plan: ProjectionPlan, trainer: "_Trainer") -> Outcome:
    trials: list[TrialResult] = []
    settings, folds, score, control = plan.settings[0], [], None, []
    if plan.folds:
        first = plan.folds[0].rows
        tried = [trainer.with_rate(first, settings) for settings in plan.settings]
        trials = [trainer.try_out(s, f"trial {number}") for number, s in enumerate(tried)]
        whole = [trial for trial in trials if not trial.diverged]
        if not whole:
            raise DivergedError(
                f"the training diverged with each of {len(trials)} settings: its numbers are not "
                "finite; lower train_devise.learning_rate"
            )
        chosen = whole[choose_by_one_standard_error([trial.score for trial in whole])]
        settings, folds, score = chosen.settings, chosen.folds, chosen.score
        control = [trainer.train(f.control_rows, settings, plan.seed) for f in plan.folds]
    else:
        settings = trainer.with_rate(plan.runs[0].rows, settings)
    trained = {run.name: trainer.keep(run, settings) for run in plan.runs}
    return Outcome(trials, folds, score, control, trained, settings, trainer.size)


class _Trainer:
    def __init__(self, plan: ProjectionPlan, rank: int, size: int, cache: Cache | None) -> None:
        from devise_lib.training.ranks.events import EventFiles

        self._plan, self._rank, self.size, self._cache = plan, rank, size, cache
        self._events = EventFiles("" if rank else plan.events)

    def with_rate(self, rows: DatasetSpec, settings: Settings) -> Settings:
        """The settings with a learning rate: one that is 0 is found by a range test."""
        if settings.learning_rate:
            return settings
        from devise_lib.training.ranks.loop import find_rate, make_optimizer

        parts = self._build(rows, settings, self._plan.seed)

        def optimizer(rate: Any) -> Any:
            constant = replace(settings, learning_rate=rate, schedule="constant")
            return make_optimizer(constant, 0)

        return replace(
            settings, learning_rate=find_rate(parts.head, parts.loss, optimizer, parts.feed)
        )

    def keep(self, run: TrainingSpec, settings: Settings) -> Trained:
        """Train for all epochs of the settings; goes on where a killed training was."""
        chosen = hashlib.sha256(repr(settings).encode()).hexdigest()[:8]
        name = f"{run.name}-{chosen}"
        checkpoint = checkpoint_in(self._plan.folder, name, self._plan.checkpoint_steps)
        training = self._start(run.rows, settings, run.seed, checkpoint)
        followed = self._plan.followed if self._rank == 0 and run is self._plan.runs[0] else None
        wanted = snapshot_epochs(settings.epochs)
        snapshots: dict[int, NDArray[np.float32]] = {}
        for losses in self._events.curves(run.name).follow(training.epochs):
            if followed is not None and len(losses) in wanted:
                snapshots[len(losses)] = training.projection().embed(followed)
        return Trained(training.projection(), losses, snapshots)

    def train(self, rows: DatasetSpec, settings: Settings, seed: int) -> Trained:
        """Train for all epochs of the settings."""
        training = self._start(rows, settings, seed)
        *_, losses = training.epochs
        return Trained(training.projection(), losses)

    def try_out(self, settings: Settings, name: str) -> TrialResult:
        """Train on all folds side by side, until the score is no better for `patience` epochs.

        With the one-cycle policy for all epochs: its rates are made for them. A training that
        diverges ends the trial as well.
        """
        from devise_lib.training.ranks.loop import of_first_rank

        folds, curves = self._plan.folds, self._events.curves(name)
        trainings = [self._start(fold.rows, settings, self._plan.seed) for fold in folds]
        whole = settings.schedule == "one_cycle"
        scores: list[Score] = []
        best: list[Trained] = []
        finite = True
        try:
            for losses in zip(*(training.epochs for training in trainings), strict=True):
                patience_ends = False
                if self._rank == 0:
                    projections = [training.projection() for training in trainings]
                    scores.append(score_projections([f.validation for f in folds], projections))
                    curves.add(len(scores) - 1, _point(scores[-1], losses))
                    behind = len(scores) - 1 - _best(scores)
                    if whole or not behind:
                        pairs = zip(projections, losses, strict=True)
                        best = [Trained(projection, list(curve)) for projection, curve in pairs]
                    patience_ends = not whole and 0 < self._plan.patience <= behind
                if of_first_rank(patience_ends):
                    break
        except DivergedError:  # on all ranks at once; these settings lose, and others may not
            finite = False
        trial = None
        if self._rank == 0:
            # Of the one-cycle policy the last epoch alone is a model; else any that was finite.
            diverged = not finite and (whole or len(scores) < 2)
            epochs = settings.epochs if whole and finite else _best(scores)
            trial = TrialResult(replace(settings, epochs=epochs), scores, best, diverged)
        return of_first_rank(trial)

    def _start(
        self, rows: DatasetSpec, settings: Settings, seed: int, checkpoint: Checkpoint | None = None
    ) -> "_Training":
        from devise_lib.training.head import to_projection
        from devise_lib.training.ranks.loop import make_optimizer, train

        parts = self._build(rows, settings, seed)
        steps = max(1, rows.count // settings.batch_size)
        optimizer = make_optimizer(settings, steps)
        epochs = train(
            parts.head,
            parts.loss,
            optimizer,
            parts.feed,
            steps,
            settings.epochs,
            checkpoint,
            parts.draw,
        )
        return _Training(lambda: to_projection(parts.head, rows.mean, rows.deviation), epochs)

    def _build(self, rows: DatasetSpec, settings: Settings, seed: int) -> "_Parts":
        import keras

        from devise_lib.training.head import build_head
        from devise_lib.training.loss import make_loss, with_l2_sp

        keras.utils.set_random_seed(seed)
        head = build_head(len(rows.mean), rows.targets.shape[1], settings, seed + self._rank)
        draw = keras.random.SeedGenerator(seed + self._rank)
        loss = make_loss(settings.objective, rows.targets, draw)
        if settings.start == "softmax" and rows.softmax is not None:
            kernel = head.layers[-1].kernel
            kernel.assign(_scaled_like(rows.softmax.T, kernel.numpy()))
            if settings.l2_sp:
                loss = with_l2_sp(loss, kernel, settings.l2_sp)
        batch, readers = settings.batch_size, self._plan.readers
        feed = make_feed(rows, batch, seed, self._rank, self.size, readers, self._cache)
        return _Parts(head, loss, draw, feed)


@dataclass(frozen=True)
class _Parts:
    """A Keras head, the loss of its output, what violators are drawn by, and the batches."""

    head: Any
    loss: Callable[[Any, Any], Any]
    draw: Any
    feed: Callable[[int], Generator[tuple[Any, Any], None, None]]


@dataclass(frozen=True)
class _Training:
    """One that has begun: its projection as it is by now, and its losses, an epoch a step."""

    projection: Callable[[], Projection]
    epochs: Iterator[list[float]]


def snapshot_epochs(epochs: int) -> set[int]:
    """At most SNAPSHOTS of them: the start, the first, the last, and some evenly between."""
    return {0, *np.linspace(min(1, epochs), epochs, SNAPSHOTS - 1).round().astype(int).tolist()}


def make_feed(
    rows: DatasetSpec,
    batch: int,
    seed: int,
    rank: int,
    size: int,
    readers: int,
    cache: Cache | None = None,
) -> Callable[[int], Generator[tuple[Any, Any], None, None]]:
    """An epoch's number to batches of standardised features and the rows of their labels."""
    columns = ("feature", "label")
    feed = Feed(rows.file_urls, columns, rank, size, readers, batch, 8 * batch, seed, cache)
    place = label_indexer(rows.labels)
    mean = rows.mean.astype(np.float32)
    scale = (1.0 / rows.deviation).astype(np.float32)

    def epoch(number: int) -> Generator[tuple[Any, Any], None, None]:
        for part in feed.epoch(number):
            features = part["feature"]  # our own: changed in place, which is twice as fast
            features -= mean
            features *= scale
            yield features, place(part["label"])

    return epoch


def _point(score: Score, losses: Sequence[Sequence[float]]) -> dict[str, float]:
    """What a trial's curves show of an epoch: its score, and the folds' mean loss if it has one."""
    point = {
        "validation_unseen_accuracy": score.unseen_accuracy,
        "validation_harmonic_mean": score.harmonic_mean,
    }
    if losses[0]:
        point["loss"] = float(np.mean([fold[-1] for fold in losses]))
    return point


def _best(scores: Sequence[Score]) -> int:
    """The best epoch; the start, which is no DeViSE yet, only where there is no other."""
    trained = [score.value for score in scores[1:]]
    return 1 + int(np.argmax(trained)) if trained else 0


def _scaled_like(start: NDArray[np.float32], drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """A start of the size that random weights would have: the optimizer's rate is for such."""
    return start * np.float32(drawn.std() / max(float(start.std()), 1e-12))
