"""DeViSE's last phase on one rank: the projection and the end of its backbone, from photos."""

import contextlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from devise_lib.errors import DivergedError
from devise_lib.numerics.candidates import CandidateSet
from devise_lib.numerics.paired import LabelScores
from devise_lib.numerics.validation import Score, Validation, cross_fitted
from devise_lib.paths import local
from devise_lib.training.augmentation import Augmentation
from devise_lib.training.plan import LabelledRows
from devise_lib.training.ranks.checkpoint import Checkpoint, checkpoint_in
from devise_lib.training.ranks.feed import Feed, label_indexer, to_photos
from devise_lib.training.settings import Objective


@dataclass(frozen=True)
class TuningFold:
    """What the number of epochs is chosen on.

    Attributes:
        network: a Keras file, of photos to unit embeddings, trained without the labels held out.
        rows: without their photos.
        held_out_urls, kept_urls: files of PIXELS with the photos that ask: those of labels held
            out, and those of the others that were kept for it.
        asked: their labels.
        candidates: the labels to choose from.
        photos: the most that ask, half of each kind.
        number: of the fold.
    """

    network: bytes
    rows: LabelledRows
    held_out_urls: Sequence[str]
    kept_urls: Sequence[str]
    asked: Collection[str]
    candidates: CandidateSet
    photos: int
    number: int


@dataclass(frozen=True)
class FineTuningPlan:
    """What every rank is given.

    Attributes:
        fold: see there.
        network: a Keras file, of photos to unit embeddings: the model.
        rows: all training photos.
        layers: the last so many layers with weights of the backbone are trained.
        epochs: at the most.
        patience: epochs without a better score that end the trial; 0: none do.
        batch_size: photos a step, all ranks together; a multiple of `readers`.
        folder: of checkpoints; "" for none.
        events: of TensorBoard's event files; "" for none.
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
    seed: int
    readers: int
    folder: str
    checkpoint_steps: int
    threads: int
    events: str = ""


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning gives.

    Attributes:
        scores: of the trial on labels held out, by epoch; the first is that of the model as it was.
        keras_file: the model trained on all photos for the best number of epochs; empty where
            that is none.
        losses: its mean loss by epoch.
        size: number of ranks.
        fold: the number of the trial's fold.
        held_out: the labels that its scores are of, or that there were to choose from.
    """

    scores: list[Score]
    keras_file: bytes
    losses: list[float]
    size: int
    fold: int
    held_out: Sequence[str]

    @property
    def best(self) -> Score:
        """The greatest of the scores; of equal ones that of the fewest epochs.

        It is too high to be compared, because the labels that it is of chose it.
        """
        return self.scores[_best(self.scores)]

    @property
    def before(self) -> LabelScores:
        """The scores of the model as it was, as `ProjectionBundle` has them."""
        return self._of_all(self._by_label()[0])

    @property
    def after(self) -> LabelScores:
        """The scores that may be compared: each label's after epochs that other labels chose."""
        return self._of_all(cross_fitted(self._by_label()))

    def _by_label(self) -> list[Mapping[str, float]]:
        return [score.by_label[0] for score in self.scores]

    def _of_all(self, scores: Mapping[str, float]) -> LabelScores:
        return {self.fold: {label: scores.get(label) for label in self.held_out}}


def fine_tune(plan: FineTuningPlan) -> Tuned:
    """Choose the number of epochs, and train for so many; the same call on every rank."""
    from devise_lib.training.ranks.events import EventFiles
    from devise_lib.training.ranks.loop import of_first_rank, start_rank
    from devise_lib.vision.networks.keras_file import bytes_of_model

    rank, size = start_rank(plan.threads, plan.seed)
    ranks = rank, size
    events = EventFiles("" if rank else plan.events)
    curves = events.curves("trial")
    trial = _Training(plan, plan.fold.network, plan.fold.rows, ranks)
    ask = _reader(plan.fold, plan.image_size) if rank == 0 else None
    scores: list[Score] = []
    with contextlib.suppress(DivergedError):  # on all ranks at once: the epochs before it count
        for _ in curves.follow(trial.epochs(plan.epochs, None)):
            ends = False
            if ask:
                scores.append(ask(trial.model))
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
        """Mean losses so far, at the start and after each epoch."""
        import keras

        from devise_lib.training.loss import make_loss
        from devise_lib.training.ranks.loop import train

        plan, rows = self._plan, self._rows
        draw = keras.random.SeedGenerator(plan.seed + self._ranks[0])
        yield from train(
            keras.Model(self.model.input, self.model.layers[-1].input),  # before it is normalised
            make_loss(plan.objective, rows.targets, draw),
            keras.optimizers.Adam(plan.learning_rate),
            make_feed(plan, rows, *self._ranks),
            max(1, rows.count // plan.batch_size),
            epochs,
            checkpoint,
            draw,
        )


def freeze(model: Any, layers: int) -> None:
    """Leave the projection and the backbone's last so many layers with weights to be trained."""
    from devise_lib.training.model import PROJECTION
    from devise_lib.vision.networks.build import train_last

    body = [x for x in model.layers if x.weights and not x.name.startswith(PROJECTION)]
    train_last(body, layers)


def make_feed(
    plan: FineTuningPlan, rows: LabelledRows, rank: int, size: int
) -> Callable[[int], Generator[tuple[Any, Any], None, None]]:
    """An epoch's number to batches of photos, changed at random, and the rows of their labels."""
    from devise_lib.training.augmentation import make_augmentation

    batch = plan.batch_size
    columns = ("pixels", "label")
    feed = Feed(rows.file_urls, columns, rank, size, plan.readers, batch, 4 * batch, plan.seed)
    place = label_indexer(rows.labels)

    def epoch(number: int) -> Generator[tuple[Any, Any], None, None]:
        seed = plan.seed + 1_000 * (number * size + rank)  # a draw of its own
        augment = make_augmentation(plan.augmentation, plan.image_size, seed)
        for part in feed.epoch(number):
            photos = augment(to_photos(part["pixels"], plan.image_size), training=True)
            yield photos, place(part["label"])

    return epoch


def _reader(fold: TuningFold, image_size: int) -> Callable[[Any], Score]:
    """Reads the photos that ask, and scores models by them."""
    photos: list[bytes] = []
    truth: list[int] = []
    for urls in (fold.held_out_urls, fold.kept_urls):
        for photo, label in islice(_photos(urls, fold.asked), fold.photos // 2):
            photos.append(photo)
            truth.append(fold.candidates.place[label])
    places = np.array(truth, dtype=np.int64)

    def score(model: Any) -> Score:
        blocks = [photos[i : i + 64] for i in range(0, len(photos), 64)]
        embedded = [np.asarray(model(to_photos(block, image_size))) for block in blocks]
        validation = Validation(np.concatenate(embedded), places, fold.candidates)
        return Score.over([validation.score(validation.features @ fold.candidates.vectors.T)])

    return score


def _photos(urls: Sequence[str], asked: Collection[str]) -> Iterator[tuple[bytes, str]]:
    """Photos of these labels, a row group at a time in memory."""
    import pyarrow.parquet as pq

    for url in urls:
        with pq.ParquetFile(local(url)) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, ["pixels", "label"])
                for photo, label in zip(rows["pixels"], rows["label"].to_pylist(), strict=True):
                    if label in asked:
                        yield photo.as_py(), label


def _best(scores: Sequence[Score]) -> int:
    return int(np.argmax([score.value for score in scores]))
