"""What the report shows, as plain values. The tables fill them and the template lays them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from devise_lib.report.search_content import HashSpread, IndexFigures


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to show.

    Attributes:
        photo_id: its id.
        path: where the file was.
        label: id of its label; "" if its path has none.
        truth: name of that label, or "".
        jpeg: a square JPEG of THUMBNAIL_SIDE pixels; None if none could be made.
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
    """A label predicted for a photo. `right` says whether it is the label of the photo."""

    term: str
    score: float
    seen: bool
    right: bool


@dataclass(frozen=True, slots=True)
class TaggedPhoto:
    """A photo and its tags, the best tag first."""

    photo: Photo
    tags: Sequence[Tag]


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo that was found, with its cosine. `right` is None if its label is unknown."""

    photo: Photo
    score: float
    right: bool | None


@dataclass(frozen=True, slots=True)
class TextQuery:
    """The photos nearest to a text. `fault` says why there are none.

    Attributes:
        terms: words and phrases of the text that have a vector.
        unknown: words of the text without a vector.
    """

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
class DuplicateGroup:
    """Photos that are the same picture, the one to keep first.

    Attributes:
        hits: some of them, with the cosine of each to the one to keep.
        photos: how many there are.
    """

    hits: Sequence[Hit]
    photos: int


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What find_duplicates found: the number of groups and of their photos, and some groups."""

    groups: int
    photos: int
    shown: Sequence[DuplicateGroup]


@dataclass(frozen=True, slots=True)
class MapPoints:
    """Labels and photos in the space of words.

    Attributes:
        names: of the m labels.
        seen: whether photos of each label were trained on.
        vectors: (m, d_word), unit L2 norm.
        photo_labels: the name of the label of each of the n photos; "" without a label.
        embeddings: (n, d_word), unit L2 norm.
        photo_ids: of the n photos, where the map shows their pictures.
    """

    names: Sequence[str]
    seen: Sequence[bool]
    vectors: NDArray[np.float32]
    photo_labels: Sequence[str]
    embeddings: NDArray[np.float32]
    photo_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SearchMaterial:
    """Words and photos among which a reader of the page searches.

    Attributes:
        words: names of words, the most useful first; the words of a phrase are joined by _.
        word_vectors: (w, d_word), unit L2 norm.
        photos: those that the page shows elsewhere, then those of the map.
        embeddings: (n, d_word), unit L2 norm.
        longest_phrase: how many words may be one name.
        unwanted_weight: of the mean of unwanted words, beside 1 for that of the wanted ones.
    """

    words: Sequence[str]
    word_vectors: NDArray[np.float32]
    photos: Sequence[Photo]
    embeddings: NDArray[np.float32]
    longest_phrase: int
    unwanted_weight: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """A row of METRICS. `k` is None, and a text is "", for a metric without it."""

    method: str
    photo_set: str
    candidate_set: str
    metric: str
    k: int | None
    value: float


@dataclass(frozen=True, slots=True)
class Refused:
    """How many photos a stage refused for a reason, with one of them as the example."""

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
    """The run that the page is about.

    Attributes:
        photos: number of photos in PHOTOS.
        embedded: number of photos with an embedding of the model.
        labels: number of labels in all label sets; each label counts once.
        unseen_labels: number of labels that no photo was trained on.
        articles: number of Wikipedia articles; None if there is no such table.
        words: number of words with a vector; None if there is no such table.
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
    """The whole page. A sentence of the page stands in for a part that is empty."""

    header: Header
    metrics: Sequence[Measurement]
    gallery: Sequence[TaggedPhoto]
    gallery_is_unseen: bool  # False: no photo of an unseen label, so others are shown
    queries: Sequence[TextQuery]
    neighbours: Sequence[Neighbours]
    duplicates: Duplicates | None  # None: the job has not run
    map_points: MapPoints | None
    search: SearchMaterial | None
    index: IndexFigures | None
    hash_spread: HashSpread | None
    quarantine: Sequence[Refused]
    jobs: Sequence[JobTime]
    cores: int  # of the report's own session
    core_hour_price: float  # in any currency; 0 tells no cost
    mlflow_command: str  # "" where the store is not a file of the work folder
    training_plots: Mapping[str, bytes]  # of the training run: SVG by file name
