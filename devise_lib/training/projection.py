"""DeViSE's second phase on one rank: trains the projection from features to the space of words."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

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
from devise_lib.training.ranks.feed import Cache, Epochs, Feed, make_cache
from devise_lib.training.settings import Settings

if TYPE_CHECKING:  # TensorFlow belongs to the ranks
    from devise_lib.training.ranks.loop import Trainable

COLUMNS = ("feature", "label")
SNAPSHOTS = 6  # of the tracked photos, at most


def train_projections(plan: ProjectionPlan) -> Outcome:
    """Chooses the settings on the folds and trains with them; must be called on every rank.

    Raises:
        DivergedError: a kept training diverged, or the trials of all settings did.
    """
    from devise_lib.training.ranks.loop import start_rank  # TensorFlow belongs to the ranks

    rank, size = start_rank(plan.threads, plan.seed)
    with make_cache(plan.cache_bytes, size) as cache:
        return _choose_and_train(plan, _Trainer(plan, rank, size, cache))


def _choose_and_train(plan: ProjectionPlan, trainer: "_Trainer") -> Outcome:
    trials: list[TrialResult] = []
    settings, folds, score, control = plan.settings[0], [], None, []
    if plan.folds:
        first = plan.folds[0].dataset
        tried = [trainer.with_rate(first, settings) for settings in plan.settings]
        trials = [trainer.run_trial(s, f"trial {number}") for number, s in enumerate(tried)]
        whole = [trial for trial in trials if not trial.diverged]
        if not whole:
            raise DivergedError(
                f"the training diverged with each of {len(trials)} settings: its numbers are not "
                "finite; lower train_devise.learning_rate"
            )
        chosen = whole[choose_by_one_standard_error([trial.score for trial in whole])]
        settings, folds, score = chosen.settings, chosen.folds, chosen.score
        control = [trainer.train(f.control_dataset, settings, plan.seed) for f in plan.folds]
    else:
        settings = trainer.with_rate(plan.trainings[0].dataset, settings)
    trained = {each.name: trainer.train_to_keep(each, settings) for each in plan.trainings}
    return Outcome(trials, folds, score, control, trained, settings, trainer.size)


class _Trainer:
    def __init__(self, plan: ProjectionPlan, rank: int, size: int, cache: Cache | None) -> None:
        from devise_lib.training.ranks.events import EventFiles

        self._plan, self._rank, self.size, self._cache = plan, rank, size, cache
        self._events = EventFiles("" if rank else plan.events)

    def with_rate(self, dataset: DatasetSpec, settings: Settings) -> Settings:
        """Returns the settings with a learning rate; a rate of 0 is found by a range test."""
        if settings.learning_rate:
            return settings
        from devise_lib.training.ranks.loop import find_rate, make_optimizer

        trainable = self._build(dataset, settings, self._plan.seed)

        def optimizer(rate: Any) -> Any:
            constant = replace(settings, learning_rate=rate, schedule="constant")
            return make_optimizer(constant, 0)

        return replace(settings, learning_rate=find_rate(trainable, optimizer))

    def train_to_keep(self, spec: TrainingSpec, settings: Settings) -> Trained:
        """Trains for all epochs of the settings; resumes a killed training at its checkpoint."""
        chosen = hashlib.sha256(repr(settings).encode()).hexdigest()[:8]
        name = f"{spec.name}-{chosen}"
        checkpoint = checkpoint_in(self._plan.folder, name, self._plan.checkpoint_steps)
        training = self._start(spec.dataset, settings, spec.seed, checkpoint)
        is_tracked = self._rank == 0 and spec is self._plan.trainings[0]
        tracked = self._plan.tracked if is_tracked else None
        wanted = snapshot_epochs(settings.epochs)
        snapshots: dict[int, NDArray[np.float32]] = {}
        for losses in self._events.curves(spec.name).follow(training.epochs):
            if tracked is not None and len(losses) in wanted:
                snapshots[len(losses)] = training.projection().embed(tracked)
        return Trained(training.projection(), losses, snapshots)

    def train(self, dataset: DatasetSpec, settings: Settings, seed: int) -> Trained:
        """Trains for all epochs of the settings, without checkpoints."""
        training = self._start(dataset, settings, seed)
        *_, losses = training.epochs
        return Trained(training.projection(), losses)

    def run_trial(self, settings: Settings, name: str) -> TrialResult:
        """Trains on all folds side by side, until the score has not improved for `patience` epochs.

        A trial with the one-cycle policy runs for all epochs, because its rates are made for their
        number. A training that diverges ends the trial as well.
        """
        from devise_lib.training.ranks.loop import of_first_rank

        folds, curves = self._plan.folds, self._events.curves(name)
        trainings = [self._start(fold.dataset, settings, self._plan.seed) for fold in folds]
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
        except DivergedError:  # on all ranks at once; other settings may still converge
            finite = False
        trial = None
        if self._rank == 0:
            # With the one-cycle policy only the last epoch is a model; else each finite one is.
            diverged = not finite and (whole or len(scores) < 2)
            epochs = settings.epochs if whole and finite else _best(scores)
            trial = TrialResult(replace(settings, epochs=epochs), scores, best, diverged)
        return of_first_rank(trial)

    def _start(
        self,
        dataset: DatasetSpec,
        settings: Settings,
        seed: int,
        checkpoint: Checkpoint | None = None,
    ) -> "_Training":
        from devise_lib.training.head import to_projection
        from devise_lib.training.ranks.loop import make_optimizer, train

        trainable = self._build(dataset, settings, seed)
        optimizer = make_optimizer(settings, trainable.steps)
        epochs = train(trainable, optimizer, settings.epochs, checkpoint)
        head, mean, deviation = trainable.model, dataset.mean, dataset.deviation
        return _Training(lambda: to_projection(head, mean, deviation), epochs)

    def _build(self, dataset: DatasetSpec, settings: Settings, seed: int) -> "Trainable":
        import keras

        from devise_lib.training.head import build_head
        from devise_lib.training.loss import make_loss, with_l2_sp
        from devise_lib.training.ranks.loop import Trainable

        keras.utils.set_random_seed(seed)
        width = dataset.targets.shape[1]
        head = build_head(len(dataset.mean), width, settings, seed + self._rank)
        draw = keras.random.SeedGenerator(seed + self._rank)
        loss = make_loss(settings.objective, dataset.targets, draw)
        if settings.start == "softmax" and dataset.softmax is not None:
            kernel = head.layers[-1].kernel
            kernel.assign(_scaled_like(dataset.softmax.T, kernel.numpy()))
            if settings.l2_sp:
                loss = with_l2_sp(loss, kernel, settings.l2_sp)
        batch = settings.batch_size
        ranks = self._rank, self.size, self._plan.readers
        feed = Feed(dataset.file_urls, COLUMNS, *ranks, batch, 8 * batch, seed, self._cache)
        steps = max(1, dataset.count // batch)
        return Trainable(head, loss, standardised(feed, dataset), steps, draw)


@dataclass(frozen=True)
class _Training:
    """A training in progress: its current projection, and an iterator over epochs with their
    losses.
    """

    projection: Callable[[], Projection]
    epochs: Iterator[list[float]]


def snapshot_epochs(epochs: int) -> set[int]:
    """Returns at most SNAPSHOTS epochs: 0 (the start), the first, the last, and some in between."""
    return {0, *np.linspace(min(1, epochs), epochs, SNAPSHOTS - 1).round().astype(int).tolist()}


def standardised(feed: Feed, dataset: DatasetSpec) -> Epochs:
    """Returns a function from an epoch's number to batches of inputs and targets.

    A batch holds standardised features (n, d_visual) and the rows of their labels in the targets
    (n,).

    Args:
        feed: of the data set's files, with COLUMNS.
        dataset: gives the labels, the mean and the deviation.
    """
    mean = dataset.mean.astype(np.float32)
    scale = (1.0 / dataset.deviation).astype(np.float32)

    def standardise(features: NDArray[np.float32]) -> NDArray[np.float32]:
        features -= mean  # a fresh array; changing it in place is twice as fast
        features *= scale
        return features

    return feed.labelled(dataset.labels, lambda _: standardise)


def _point(score: Score, losses: Sequence[Sequence[float]]) -> dict[str, float]:
    """Returns an epoch's point on the curves of a trial: the scores, and the folds' mean loss if
    any.
    """
    point = {
        "validation_unseen_accuracy": score.unseen_accuracy,
        "validation_harmonic_mean": score.harmonic_mean,
    }
    if losses[0]:
        point["loss"] = float(np.mean([fold[-1] for fold in losses]))
    return point


def _best(scores: Sequence[Score]) -> int:
    """Returns the best epoch; 0, which is the untrained start, only if there is no other."""
    trained = [score.value for score in scores[1:]]
    return 1 + int(np.argmax(trained)) if trained else 0


def _scaled_like(start: NDArray[np.float32], drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales a start to the size of random weights, which the optimizer's learning rate expects."""
    return start * np.float32(drawn.std() / max(float(start.std()), 1e-12))
