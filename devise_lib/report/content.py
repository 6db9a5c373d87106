"""What the report shows, as plain values: filled from the tables, laid out by the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to show.

    Attributes:
        photo_id: its id.
        path: where the file was.
        label: id of its label; "" where its path tells none.
        truth: name of that label, or "".
        jpeg: a small square JPEG; None where none could be made.
    """

    photo_id: str
    path: str
    label: str
    truth: str
    jpeg: bytes | None

    @property
    def file_name(self) -> str:
        """The last two parts of the path."""
        return "/".join(self.path.replace("!", "/").rstrip("/").split("/")[-2:])


@dataclass(frozen=True, slots=True)
class Tag:
    """A label predicted for a photo; `right` where it is the photo's own."""

    term: str
    score: float
    seen: bool
    right: bool


@dataclass(frozen=True, slots=True)
class TaggedPhoto:
    """A photo and its tags, the best first."""

    photo: Photo
    tags: Sequence[Tag]


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo that was found, with its cosine; `right` None where nothing tells."""

    photo: Photo
    score: float
    right: bool | None


@dataclass(frozen=True, slots=True)
class TextQuery:
    """The best photos of a text; `fault` says why there are none."""

    text: str
    terms: Sequence[str] = ()
    unknown: Sequence[str] = ()
    hits: Sequence[Hit] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A photo and the photos nearest to it."""

    photo: Photo
    source: str  # the index or hash that found them
    hits: Sequence[Hit]


@dataclass(frozen=True, slots=True)
class MapPoints:
    """Labels and photos in the space of words.

    Attributes:
        names, seen: of the m labels.
        vectors: (m, d_word), unit L2 norm.
        photo_labels: for each of the n photos the name of its label.
        embeddings: (n, d_word), unit L2 norm.
    """

    names: Sequence[str]
    seen: Sequence[bool]
    vectors: NDArray[np.float32]
    photo_labels: Sequence[str]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A row of METRICS; None and "" as in the table."""

    method: str
    photo_set: str
    candidate_set: str
    metric: str
    k: int | None
    value: float


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """An index bundle, from its manifest.

    Attributes:
        name: of the bundle.
        key: faiss's name for its kind, e.g. "IVF256,Flat".
        vectors: how many it holds.
        nprobe: inverted lists that a query visits.
        k, recall: the share of the exact k nearest that it finds.
        curve: (nprobe, recall) pairs, by nprobe.
        target: the recall that was asked for.
    """

    name: str
    key: str
    vectors: int
    nprobe: int
    k: int
    recall: float
    curve: Sequence[tuple[int, float]]
    target: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The photos in QUARANTINE of one stage and reason, and one of them."""

    stage: str
    reason: str
    count: int
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class JobTime:
    """A finished job."""

    name: str
    seconds: float
    rows: str
    finished: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class Header:
    """What the page is of.

    Attributes:
        photos: that PHOTOS has.
        embedded: photos that have an embedding of the model.
        labels: of all label sets, each once.
        unseen_labels: those of them without a training photo.
        articles: of Wikipedia that the words come from; None without the table.
        words: that have a vector; None without the table.
    """

    model_id: str
    training_run_id: str
    report_run_id: str
    made: datetime
    seed: int
    work_dir: str
    photos: int
    embedded: int
    labels: int
    unseen_labels: int
    articles: int | None
    words: int | None
    versions: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Content:
    """The whole page. An empty part is said in words."""

    header: Header
    metrics: Sequence[Measurement]
    gallery: Sequence[TaggedPhoto]
    gallery_is_unseen: bool  # False: no photo of an unseen label, so others are shown
    queries: Sequence[TextQuery]
    neighbours: Sequence[Neighbours]
    map_points: MapPoints | None
    index: IndexFigures | None
    quarantine: Sequence[Refused]
    jobs: Sequence[JobTime]
    mlflow_command: str  # "" where the store is not a file of the work folder
    training_plots: Mapping[str, bytes]  # of the training run: SVG by file name
