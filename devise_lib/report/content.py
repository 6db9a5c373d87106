"""What the report shows, as plain values. The tables fill them and the template lays them out."""

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
        label: id of its label; "" if its path has none.
        truth: name of that label, or "".
        jpeg: a small square JPEG; None if none could be made.
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
class MapPoints:
    """Labels and photos in the space of words.

    Attributes:
        names: of the m labels.
        seen: whether photos of each label were trained on.
        vectors: (m, d_word), unit L2 norm.
        photo_labels: the name of the label of each of the n photos.
        embeddings: (n, d_word), unit L2 norm.
    """

    names: Sequence[str]
    seen: Sequence[bool]
    vectors: NDArray[np.float32]
    photo_labels: Sequence[str]
    embeddings: NDArray[np.float32]


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
class IndexFigures:
    """An index bundle, from its manifest.

    Attributes:
        name: of the bundle.
        key: faiss's name for its kind, e.g. "IVF256,Flat".
        vectors: how many vectors it holds.
        parameters: of the search, as faiss takes them.
        k: how many nearest photos a query asks for.
        recall: the share of the exact k nearest photos that the index finds.
        low, high: the 95 % confidence interval of the recall.
        queries_per_s: on all threads of the machine that built it.
        curve: (queries per second, recall) of each measured setting.
        target: the recall that was asked for; 0 for none.
    """

    name: str
    key: str
    vectors: int
    parameters: str
    k: int
    recall: float
    low: float
    high: float
    queries_per_s: float
    curve: Sequence[tuple[float, float]]
    target: float


@dataclass(frozen=True, slots=True)
class HashTable:
    """How one hash table spreads the photos over its buckets.

    Attributes:
        number: of the table, counted from 0 as in BUCKET_STATISTICS.
        largest_share: the share of the photos that the largest bucket holds.
        candidates: photos in the bucket of a random photo, itself included.
        entropy: of the bucket of a random photo, in bits.
        possible_entropy: of photos that are spread over all buckets; 0 for a single photo.
        balance: the share of ones in each bit of the codes.
    """

    number: int
    largest_share: float
    candidates: float
    entropy: float
    possible_entropy: float
    balance: Sequence[float]


@dataclass(frozen=True, slots=True)
class HashSpread:
    """How evenly a hash spreads the photos.

    Attributes:
        hash_id: of the hash.
        kind: how its hyperplanes were made; "" if it is unknown.
        photos: the number of photos that were hashed.
        bucket_bits: the first bits of a code that make the bucket.
        least_balance: the share of ones or zeros in a bit, below which it tells almost nothing.
        tables: the hash tables, at least one, all with codes of the same length.
        advice: what is wrong and which remedy to try, a line each.
    """

    hash_id: str
    kind: str
    photos: int
    bucket_bits: int
    least_balance: float
    tables: Sequence[HashTable]
    advice: Sequence[str]


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
    map_points: MapPoints | None
    index: IndexFigures | None
    hash_spread: HashSpread | None
    quarantine: Sequence[Refused]
    jobs: Sequence[JobTime]
    mlflow_command: str  # "" where the store is not a file of the work folder
    training_plots: Mapping[str, bytes]  # of the training run: SVG by file name
