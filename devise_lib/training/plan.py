"""What the training of projections is given, and what it gives: plain values that travel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.linear import Projection
from devise_lib.numerics.validation import Score, Validation
from devise_lib.training.settings import Settings


@dataclass(frozen=True)
class LabelledRows:
    """What one training reads.

    Attributes:
        file_urls: files of FEATURES, or of PIXELS, at one version.
        count: rows in them.
        labels: theirs, in the order of the first rows of the targets.
        targets: (m, d_word) unit label vectors. Those behind the labels' own serve as wrong ones.
    """

    file_urls: Sequence[str]
    count: int
    labels: Sequence[str]
    targets: NDArray[np.float32]


@dataclass(frozen=True)
class DatasetSpec(LabelledRows):
    """What the training of a projection reads of FEATURES.

    Attributes:
        softmax: (d_word, d_visual) of standardised features, how the backbone's softmax would map
            them; None where no setting starts there.
        mean, deviation: (d_visual,) of the features, which are standardised by them.
    """

    softmax: NDArray[np.float32] | None
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


@dataclass(frozen=True)
class FoldSpec:
    """What settings are tried on: rows without the labels held out, and the photos that ask.

    Attributes:
        rows: of the method.
        control_rows: the same with the control's targets.
        validation: photos of the labels held out, and of others.
    """

    rows: DatasetSpec
    control_rows: DatasetSpec
    validation: Validation


@dataclass(frozen=True)
class TrainingSpec:
    """A training whose projection is kept: a name for its files, its rows and seed."""

    method: str
    name: str
    rows: DatasetSpec
    seed: int


@dataclass(frozen=True)
class ProjectionPlan:
    """What every rank is given.

    Attributes:
        settings: to choose from; one where there are no folds.
        folds: what they are tried on; may be none.
        runs: the trainings that are kept, with the settings chosen.
        seed: of the trials.
        patience: epochs without a better score that end a trial; 0: none do.
        readers: of the feed; the ranks share them.
        cache_bytes: of local disk that a rank keeps decoded features in; 0 for none.
        folder: of checkpoints; "" for none.
        checkpoint_steps: steps between two of them.
        threads: cores of a rank.
        events: the folder of TensorBoard's event files; "" for none.
        followed: (n, d_visual) features of photos whose way to their labels is kept, at the
            few epochs of the first run; None for none.
    """

    settings: Sequence[Settings]
    folds: Sequence[FoldSpec]
    runs: Sequence[TrainingSpec]
    seed: int
    patience: int
    readers: int
    cache_bytes: int
    folder: str
    checkpoint_steps: int
    threads: int
    events: str = ""
    followed: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Trained:
    """A trained projection.

    Attributes:
        projection: after the last epoch.
        losses: mean loss by epoch.
        snapshots: by epoch, 0 being the start: where the plan's followed photos were, (n, d_word)
            unit rows. Of the first of the runs, on the first rank; else none.
    """

    projection: Projection
    losses: list[float]
    snapshots: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialResult:
    """How settings did.

    Attributes:
        settings: with the number of epochs that was best.
        scores: over all folds, by epoch; the first is that of the start, before any.
        folds: what was trained on each fold, after the best epoch.
        diverged: whether it gave no model to choose, because its numbers were no longer finite.
    """

    settings: Settings
    scores: list[Score]
    folds: list[Trained]
    diverged: bool = False

    @property
    def score(self) -> Score:
        """After those epochs."""
        return self.scores[self.settings.epochs]


@dataclass(frozen=True)
class Outcome:
    """What training gives.

    Attributes:
        trials: of each settings of the plan.
        chosen_folds: by fold, the projection of the trial whose settings were chosen.
        score: of that trial; None without folds.
        control_folds: by fold, the control's with the same settings.
        trained: the runs by name.
        settings: of these.
        size: number of ranks.
    """

    trials: list[TrialResult]
    chosen_folds: list[Trained]
    score: Score | None
    control_folds: list[Trained]
    trained: dict[str, Trained]
    settings: Settings
    size: int
