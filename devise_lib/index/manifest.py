"""The manifest of an index bundle: what the bundle holds, where it came from and how good it is.

A bundle is one folder:

    manifest.json, README.md, curve.svg
    base/index.faiss        the index; its ids are rows of the segment, 0 to n - 1
    base/ids.npy            the photo_id of each row
    base/lists.npy          the inverted list that holds each row; -1 for a row that is folded out
    base/digests.npy        the first 60 bits of the SHA-256 of each row's photo
    base/trained.npz        the empty index, with which later photos are encoded
    delta-000001/...        the same, without trained.npz, for photos that came later
    removed.npy             the rows of the whole bundle that are no longer found
    words.npy, words.txt    vectors of labels and words, to search by
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from devise_lib.errors import InputError
from devise_lib.index.settings import Point, SearchSettings

FORMAT = 3  # raised when a reader of the old manifest could misread the new one
MANIFEST_FILE, README_FILE, CURVE_FILE = "manifest.json", "README.md", "curve.svg"
INDEX_FILE, IDS_FILE = "index.faiss", "ids.npy"
LISTS_FILE, DIGESTS_FILE, TRAINED_FILE = "lists.npy", "digests.npy", "trained.npz"
REMOVED_FILE, WORDS_FILE, WORD_VECTORS_FILE = "removed.npy", "words.txt", "words.npy"
MODEL_FILE, GRAPH_FILE = "model.keras", "model.pb"
BASE = "base"
AGAIN = "run build_index again"
NO_BUNDLE = (
    f"is not an index bundle, it has no {MANIFEST_FILE}: give the folder that CURRENT names, "
    f"or {AGAIN}"
)


@dataclass(frozen=True)
class Segment:
    """A part of a bundle that was built at once.

    Attributes:
        name: of its folder: base, or delta- and a number.
        first_row: the row of the whole bundle that is row 0 of its index file.
        rows: the number of its rows, removed ones included.
        listed: the number of rows in its lists; compaction leaves out removed ones.
        table_version: the version of the table that it was built from.
        imbalance: how unequal its lists are; 1 if all are equal. A search takes so many times as
            long.
        sections: the first row of each run of rows that is in the order of `places.place_of`: of
            what was built at once, and folded since.
        residuals: the mean of 1 - cosine of the vectors of each section and the centroids of their
            lists, when it was built.
    """

    name: str
    first_row: int
    rows: int
    listed: int
    table_version: int
    imbalance: float
    residuals: tuple[float, ...]
    sections: tuple[int, ...] = (0,)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The first row of each section, and the row behind its last one."""
        return list(pairwise((*self.sections, self.rows)))


@dataclass(frozen=True)
class StepCost:
    """What a step of the build took.

    Attributes:
        tasks: the number of tasks.
        seconds: of all tasks together.
        peak_bytes: the most memory that one of their processes took, mapped files included.
    """

    tasks: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class FileAbout:
    """A file of the bundle: its size in bytes, and its SHA-256, hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of a bundle, and its quality.

    Attributes:
        model_id: the model of the embeddings; queries must be of the same model.
        table, table_version: the indexed table and its version.
        run_id: the MLflow run that built the bundle.
        n: the number of photos that can be found.
        dimension: the length of a vector.
        metric: inner_product; vectors and queries have unit norm, so scores are cosines.
        normalisation: l2: every vector was scaled to unit norm before it was added.
        index_key: the index in FAISS's index factory.
        nlist: the number of inverted lists.
        bytes_per_vector: of codes and ids, in the index file.
        settings: of the search, with which `point` was measured.
        parameters: the same, as FAISS's ParameterSpace().set_index_parameters takes it.
        k: the number of results with which recall was measured. A query is a vector of the index
            and does not count as its own result.
        queries: on which `point` was measured. The settings were chosen on others.
        threads: with which queries_per_s was measured.
        recall_target, max_latency_ms: what was promised; 0 for no promise.
        point: recall, its 95 % confidence interval, queries per second and the time of one query.
        curve: what other settings give.
        seed: of the sample and the centroids.
        segments: the base, and what was added later.
        removed: the number of rows that are no longer found.
        rejected: embeddings that could not be indexed, by reason.
        drift: how well photos that came later fit the index, by name (see `drift`); empty for a new
            index.
        due: the mode of build_index that the drift asks for: "rebuild", "compact", or "" for none.
        words: the number of words and labels that the bundle carries.
        labels: how many of them are labels; these come first.
        costs: what the steps of the build took.
        faiss_version: that wrote the files.
        faiss_floor: the least version that reads them.
        files: of the bundle, by their paths in it.
        format: the version of the bundle's layout.
    """

    model_id: str
    table: str
    table_version: int
    run_id: str
    n: int
    dimension: int
    metric: str
    normalisation: str
    index_key: str
    nlist: int
    bytes_per_vector: int
    settings: SearchSettings
    parameters: str
    k: int
    queries: int
    threads: int
    recall_target: float
    max_latency_ms: float
    point: Point
    curve: tuple[Point, ...]
    seed: int
    segments: tuple[Segment, ...]
    removed: int
    rejected: Mapping[str, int]
    drift: Mapping[str, float]
    due: str
    words: int
    labels: int
    costs: Mapping[str, StepCost]
    faiss_version: str
    faiss_floor: str
    files: Mapping[str, FileAbout]
    format: int = field(default=FORMAT)

    @property
    def rows(self) -> int:
        """The number of rows, removed ones included."""
        return sum(segment.rows for segment in self.segments)

    def quality(self) -> str:
        """Returns recall and speed as a line for people."""
        point = self.point
        return (
            f"{self.index_key}: recall@{self.k} {point.recall:.3f} ({point.low:.3f} to "
            f"{point.high:.3f}), {point.queries_per_s:,.0f} queries/s on {self.threads} threads, "
            f"{point.latency_ms:.2f} ms for one; {self.parameters}"
        )

    def bundle_name(self) -> str:
        """Returns model, table version and a digest of what is in the bundle and was promised.

        Times differ from run to run and do not count, so equal builds share a name.
        """
        content = [
            *(self.format, self.recall_target, self.max_latency_ms, self.k),
            sorted((path, about.sha256) for path, about in self.files.items()),
        ]
        return name_of_bundle(self.model_id, self.table_version, content)

    def to_json(self, how_to_query: str) -> str:
        """Returns the text of manifest.json, with a program that queries the bundle."""
        content = {**asdict(self), "how_to_query": how_to_query.splitlines()}
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, path: str) -> "Manifest":
        """Reads what `to_json` returned.

        Args:
            text: of the file.
            path: of the file, for the errors.

        Raises:
            InputError: it is no manifest, or one of another format.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            found = values.get("format")
        except (ValueError, AttributeError) as error:
            raise _no_manifest(path, error) from error
        if found != FORMAT:
            raise InputError(f"{path} has format {found!r}, want {FORMAT}: {AGAIN}")
        try:
            del values["how_to_query"]
            values["settings"] = SearchSettings(**values["settings"])
            values["point"] = Point.from_dict(values["point"])
            values["curve"] = tuple(Point.from_dict(point) for point in values["curve"])
            values["segments"] = tuple(
                Segment(**each | {name: tuple(each[name]) for name in ("sections", "residuals")})
                for each in values["segments"]
            )
            values["costs"] = {k: StepCost(**cost) for k, cost in values["costs"].items()}
            values["files"] = {k: FileAbout(**about) for k, about in values["files"].items()}
            return cls(**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise _no_manifest(path, error) from error


def name_of_bundle(model_id: str, table_version: int, content: object) -> str:
    """Returns model, table version and a digest of a JSON value that says what is in a bundle."""
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return f"{model_id}-v{table_version}-{digest[:8]}"


def _no_manifest(path: str, error: Exception) -> InputError:
    return InputError(f"{path} is not the manifest of a bundle ({error}): {AGAIN}")
