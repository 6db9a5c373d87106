"""The inputs and the results of training projections, as plain values that can be sent to ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.linear import Projection
from devise_lib.numerics.validation import Score, Validation
from devise_lib.training.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RankPlan:
    """What every training tells its ranks.

    Attributes:
        seed: of the weights, the order of rows and the random changes.
        readers: of the feed, shared by the ranks.
        threads: cores per rank.
        folder: of the checkpoints from which a killed training resumes; "" for none.
        checkpoint_steps: steps between two checkpoints within an epoch.
        events: the folder of TensorBoard's event files; "" for none.
    """

    seed: int
    readers: int
    threads: int
    folder: str = ""
    checkpoint_steps: int = 1_000
    events: str = ""


@dataclass(frozen=True)
class LabelledRows:
    """The rows that a training reads, and the vectors of their labels.

    Attributes:
        file_urls: files of FEATURES, or of PIXELS, at one version.
        count: the number of rows in the files.
        labels: the labels of the rows, in the order of the first rows of `targets`.
        targets: (m, d_word), unit label vectors. Those after the rows of `labels` serve as wrong
            labels only.
    """

    file_urls: Sequence[str]
    count: int
    labels: Sequence[str]
    targets: NDArray[np.float32]


@dataclass(frozen=True)
class DatasetSpec(LabelledRows):
    """The rows of FEATURES that the training of a projection reads.

    Attributes:
        softmax: (d_word, d_visual), the map of standardised features that the backbone's softmax
            implies; None if no settings start there.
        mean, deviation: (d_visual,), by which the features are standardised.
    """

    softmax: NDArray[np.float32] | None
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


@dataclass(frozen=True)
class FoldSpec:
    """The data on which settings are tried: training rows, and validation photos of held-out
    labels.

    Attributes:
        dataset: the rows without the held-out labels.
        control_dataset: the same rows with the control's targets.
        validation: photos of the held-out labels, and of others.
    """

    dataset: DatasetSpec
    control_dataset: DatasetSpec
    validation: Validation


@dataclass(frozen=True)
class TrainingSpec:
    """A training whose projection is kept.

    Attributes:
        method: "devise", or its control.
        name: unique; names the training's files.
        dataset: what it reads.
        seed: of its weights and batches.
    """

    method: str
    name: str
    dataset: DatasetSpec
    seed: int


@dataclass(frozen=True, kw_only=True)
class ProjectionPlan(RankPlan):
    """The input of every rank.

    Attributes:
        settings: the candidates; one if there are no folds.
        folds: the data to choose settings on; may be empty.
        trainings: those whose projections are kept, with the chosen settings.
        patience: a trial ends after so many epochs without a better score; 0 for no such end.
        cache_bytes: local disk in which a rank keeps decoded features; 0 for none.
        tracked: (n, d_visual), features of photos whose embeddings are kept at a few epochs of the
            first training; None for none.
    """

    settings: Sequence[Settings]
    folds: Sequence[FoldSpec]
    trainings: Sequence[TrainingSpec]
    patience: int
    cache_bytes: int
    tracked: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Trained:
    """A trained projection.

    Attributes:
        projection: after the last epoch.
        losses: the mean loss per epoch.
        snapshots: (n, d_word) unit rows per epoch, 0 for the start: the embeddings of the plan's
            tracked photos. Only the plan's first training on the first rank has any.
    """

    projection: Projection
    losses: list[float]
    snapshots: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialResult:
    """The result of trying settings.

    Attributes:
        settings: with the best number of epochs.
        scores: over all folds, per epoch; the first is that of the start, before any epoch.
        folds: the training on each fold, after the best epoch.
        diverged: whether no model can be chosen because the numbers were no longer finite.
    """

    settings: Settings
    scores: list[Score]
    folds: list[Trained]
    diverged: bool = False

    @property
    def score(self) -> Score:
        """The score after the best number of epochs."""
        return self.scores[self.settings.epochs]


@dataclass(frozen=True)
class Outcome:
    """The result of training.

    Attributes:
        trials: one per settings of the plan.
        chosen_folds: per fold, the projection with the chosen settings.
        score: of the chosen trial; None without folds.
        control_folds: per fold, the control's projection with the same settings.
        trained: the kept trainings by name.
        settings: those of the kept trainings.
        size: the number of ranks.
    """

    trials: list[TrialResult]
    chosen_folds: list[Trained]
    score: Score | None
    control_folds: list[Trained]
    trained: dict[str, Trained]
    settings: Settings
    size: int
