"""DeViSE's last phase on one rank: trains the projection and the end of its backbone on photos."""

import contextlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devise_lib.errors import DivergedError
from devise_lib.numerics.candidates import CandidateSet
from devise_lib.numerics.paired import LabelScores
from devise_lib.numerics.validation import Score, Validation, cross_fitted
from devise_lib.paths import local
from devise_lib.training.augmentation import Augmentation
from devise_lib.training.plan import LabelledRows, RankPlan
from devise_lib.training.ranks.checkpoint import Checkpoint, checkpoint_in
from devise_lib.training.ranks.feed import Epochs, Feed, to_photos
from devise_lib.training.settings import Objective


@dataclass(frozen=True)
class TuningFold:
    """The data on which the number of epochs is chosen.

    Attributes:
        network: the bytes of a Keras file, from photos to unit embeddings, trained without the
            held-out labels.
        rows: the training photos, without those of the held-out labels.
        held_out_urls: files of PIXELS with the photos of held-out labels.
        validation_urls: files of PIXELS with the validation photos of the other labels.
        tested_labels: the labels whose photos are tested.
        candidates: the labels to choose from.
        photos: the limit of tested photos, half of each kind.
        number: of the fold.
    """

    network: bytes
    rows: LabelledRows
    held_out_urls: Sequence[str]
    validation_urls: Sequence[str]
    tested_labels: Collection[str]
    candidates: CandidateSet
    photos: int
    number: int


@dataclass(frozen=True, kw_only=True)
class FineTuningPlan(RankPlan):
    """The input of every rank.

    Attributes:
        fold: the data on which the number of epochs is chosen.
        network: the bytes of the model's Keras file, from photos to unit embeddings.
        rows: all training photos.
        objective: what training minimises.
        augmentation: the random changes of photos.
        layers: the number of the backbone's last layers with weights that are trained.
        learning_rate: of the optimizer.
        epochs: the limit.
        patience: the trial ends after so many epochs without a better score; 0 for no such end.
        batch_size: photos per step, of all ranks together; a multiple of `readers`.
        image_size: side of a photo, pixels.
    """

    fold: TuningFold
    network: bytes
    rows: LabelledRows
    objective: Objective
    augmentation: Augmentation
    layers: int
    learning_rate: float
    epochs: int
    patience: int
    batch_size: int
    image_size: int


@dataclass(frozen=True)
class Tuned:
    """The result of fine-tuning.

    Attributes:
        scores: of the trial on the held-out labels, per epoch; the first is that of the model
            before fine-tuning.
        keras_file: the model, trained on all photos for the best number of epochs; empty if that is
            0.
        losses: the mean loss of that training per epoch.
        size: the number of ranks.
        fold: the number of the trial's fold.
        held_out: the held-out labels, tested or candidates only.
    """

    scores: list[Score]
    keras_file: bytes
    losses: list[float]
    size: int
    fold: int
    held_out: Sequence[str]

    @property
    def best(self) -> Score:
        """The greatest score; among equal ones, that of the fewest epochs.

        It is biased upwards, because it was chosen on the same labels, so do not compare it with
        others.
        """
        return self.scores[_best(self.scores)]

    @property
    def before(self) -> LabelScores:
        """The label scores before fine-tuning, in the form of `ProjectionBundle.label_scores`."""
        return self._of_all(self._by_label()[0])

    @property
    def after(self) -> LabelScores:
        """The label scores for comparisons: each label's after a number of epochs that other labels
        chose.
        """
        return self._of_all(cross_fitted(self._by_label()))

    def _by_label(self) -> list[Mapping[str, float]]:
        return [score.by_label[0] for score in self.scores]

    def _of_all(self, scores: Mapping[str, float]) -> LabelScores:
        return {self.fold: {label: scores.get(label) for label in self.held_out}}


def fine_tune(plan: FineTuningPlan) -> Tuned:
    """Chooses the number of epochs on the fold, then trains on all photos for so many epochs.

    It must be called on every rank.

    Raises:
        DivergedError: the final training diverged. If the trial diverges, the epochs before count.
    """
    from devise_lib.training.ranks.events import EventFiles
    from devise_lib.training.ranks.loop import of_first_rank, start_rank
    from devise_lib.vision.networks.keras_file import bytes_of_model

    rank, size = start_rank(plan.threads, plan.seed)
    ranks = rank, size
    events = EventFiles("" if rank else plan.events)
    curves = events.curves("trial")
    trial = _Training(plan, plan.fold.network, plan.fold.rows, ranks)
    score_of = _make_scorer(plan.fold, plan.image_size) if rank == 0 else None
    scores: list[Score] = []
    with contextlib.suppress(DivergedError):  # on all ranks at once; the epochs before it count
        for _ in curves.follow(trial.epochs(plan.epochs, None)):
            ends = False
            if score_of:
                scores.append(score_of(trial.model))
                curves.add(
                    len(scores) - 1, {"validation_unseen_accuracy": scores[-1].unseen_accuracy}
                )
                ends = 0 < plan.patience <= len(scores) - 1 - _best(scores)
            if of_first_rank(ends):
                break
    scores = of_first_rank(scores)
    labels = plan.fold.candidates
    held_out = [x for x, seen in zip(labels.labels, labels.seen, strict=True) if not seen]
    if not _best(scores):
        return Tuned(scores, b"", [], size, plan.fold.number, held_out)
    checkpoint = checkpoint_in(plan.folder, f"{_best(scores)}_epochs", plan.checkpoint_steps)
    training = _Training(plan, plan.network, plan.rows, ranks)
    *_, losses = events.curves("model").follow(training.epochs(_best(scores), checkpoint))
    kept = b"" if rank else bytes_of_model(training.model)
    return Tuned(scores, kept, losses, size, plan.fold.number, held_out)


class _Training:
    def __init__(
        self, plan: FineTuningPlan, network: bytes, rows: LabelledRows, ranks: tuple[int, int]
    ) -> None:
        from devise_lib.vision.networks.keras_file import model_of_bytes

        self._plan, self._rows, self._ranks = plan, rows, ranks
        self.model = model_of_bytes(network)
        freeze(self.model, plan.layers)

    def epochs(
        self, epochs: int, checkpoint: Checkpoint | None
    ) -> Generator[list[float], None, None]:
        """Yields the mean losses so far, at the start and after each epoch."""
        import keras

        from devise_lib.training.loss import make_loss
        from devise_lib.training.ranks.loop import Trainable, train

        plan, rows = self._plan, self._rows
        draw = keras.random.SeedGenerator(plan.seed + self._ranks[0])
        trainable = Trainable(
            keras.Model(self.model.input, self.model.layers[-1].input),  # not normalised
            make_loss(plan.objective, rows.targets, draw),
            augmented_photos(plan, rows, *self._ranks),
            max(1, rows.count // plan.batch_size),
            draw,
        )
        yield from train(trainable, keras.optimizers.Adam(plan.learning_rate), epochs, checkpoint)


def freeze(model: Any, layers: int) -> None:
    """Makes the projection and the backbone's last `layers` layers with weights trainable."""
    from devise_lib.training.model import PROJECTION
    from devise_lib.vision.networks.build import train_last

    body = [x for x in model.layers if x.weights and not x.name.startswith(PROJECTION)]
    train_last(body, layers)


def augmented_photos(plan: FineTuningPlan, rows: LabelledRows, rank: int, size: int) -> Epochs:
    """Returns a function from an epoch's number to batches of augmented photos and label rows."""
    from devise_lib.training.augmentation import make_augmentation

    batch = plan.batch_size
    columns = ("pixels", "label")
    feed = Feed(rows.file_urls, columns, rank, size, plan.readers, batch, 4 * batch, plan.seed)

    def prepare(epoch: int) -> Callable[[NDArray[Any]], Any]:
        seed = plan.seed + 1_000 * (epoch * size + rank)  # unique per epoch and rank
        augment = make_augmentation(plan.augmentation, plan.image_size, seed)
        return lambda pixels: augment(to_photos(pixels, plan.image_size), training=True)

    return feed.labelled(rows.labels, prepare)


def _make_scorer(fold: TuningFold, image_size: int) -> Callable[[Any], Score]:
    """Reads the fold's photos, and returns a function that scores a model on them."""
    photos: list[bytes] = []
    truth: list[int] = []
    for urls in (fold.held_out_urls, fold.validation_urls):
        for photo, label in islice(_photos(urls, fold.tested_labels), fold.photos // 2):
            photos.append(photo)
            truth.append(fold.candidates.place[label])
    places = np.array(truth, dtype=np.int64)

    def score(model: Any) -> Score:
        blocks = [photos[i : i + 64] for i in range(0, len(photos), 64)]
        embedded = [np.asarray(model(to_photos(block, image_size))) for block in blocks]
        validation = Validation(np.concatenate(embedded), places, fold.candidates)
        return Score.over([validation.score(validation.features @ fold.candidates.vectors.T)])

    return score


def _photos(urls: Sequence[str], labels: Collection[str]) -> Iterator[tuple[bytes, str]]:
    """Yields the photos of these labels, with one row group in memory at a time."""
    import pyarrow.parquet as pq

    for url in urls:
        with pq.ParquetFile(local(url)) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, ["pixels", "label"])
                for photo, label in zip(rows["pixels"], rows["label"].to_pylist(), strict=True):
                    if label in labels:
                        yield photo.as_py(), label


def _best(scores: Sequence[Score]) -> int:
    return int(np.argmax([score.value for score in scores]))
