"""The configuration of the jobs that bring photos into the tables and into the space of words."""

import os
import re
import unicodedata
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from devise_lib import photo_limits
from devise_lib.config.types import (
    Frozen,
    GivenPath,
    JobConfig,
    LabelPattern,
    ModelJobConfig,
    Name,
    OptionalPath,
    PositiveInt,
    RegularExpression,
    Several,
    Share,
)
from devise_lib.paths import is_remote, last_part, local, split_glob
from devise_lib.reasons import Reason

ARCHIVE = re.compile(r"\.(tar\.gz|tgz|tar)$")
# In NFC. With a "/" the photos of two sources could have the same ids.
SetName = Annotated[Name, Field(pattern=r"^$|^[^/]*[^/\s][^/]*$")]
PARENT_FOLDER = r"([^/]+)/[^/]+$"
Seconds = Annotated[float, Field(gt=0.0)]


class TableColumns(Frozen):
    """The names of the columns of a table of photos. "" means that the table has no such column.

    A name may lead to a field of a struct: `image.bytes`.
    """

    path: str = "path"
    """The path of the photo's file."""
    content: str = ""
    """The bytes of the photo's file. Without this column the job reads them from the path."""
    id: str = ""
    """A stable id of the photo. Without this column the path is the id."""
    label: str = ""
    """The photo's label."""
    owner: str = ""
    """The photo's owner: a gallery, a photographer."""
    modified: str = ""
    """The time of the last change. Without this column the digest of the bytes, or the file's size
    and time, tell of a change."""


class PhotoSource(Frozen):
    """Photos of one origin. Its name goes to the column `photo_set`."""

    path: GivenPath
    """Where the photos are: a folder, a tar, a folder of tars, CIFAR, or a table. A pattern of `*`,
    `?`, `[a-c]`, `{a,b}` and, over folders, `**` names several. A file or folder of just this name
    wins over the pattern. A table of the catalog has no slash in its name."""
    kind: Literal["files", "cifar", "table"] = "files"
    """What is there: files, CIFAR's binary version, or a table with a row per photo."""
    name: SetName = ""
    """The name of the source. It goes to the column `photo_set` and into the ids of the photos. ""
    takes the last part of the path, without the ending of an archive, or of the table's name. A
    path that ends in a pattern needs a name."""
    label_pattern: LabelPattern | None = None
    """A regular expression for paths, whose first group is the label. "" gives no labels. Without
    this key the source has the job's `label_pattern`."""
    labels: OptionalPath = ""
    """A file that gives labels in place of `label_pattern`: per line a file name and its label."""
    classes: OptionalPath = ""
    """A file with the label of each number, such as ILSVRC2012's meta.mat. It is for a file
    `labels` that has numbers."""
    owner_pattern: LabelPattern = ""
    """A regular expression for paths, whose first group is the owner: a gallery, a photographer. ""
    gives no owners."""
    include: RegularExpression = ""
    """A regular expression. The job takes only the paths in which it is found. "" takes all."""
    test_share: Share | None = None
    """The share of this source's photos of seen labels that is kept for testing. 0 keeps none and 1
    all. Without this key it is the common `test_share`, and of CIFAR the release's own test
    files."""
    format: Literal["delta", "parquet"] = "delta"
    """The format of a table that is named by its path."""
    columns: TableColumns = TableColumns()
    """The names of a table's columns."""

    @model_validator(mode="after")
    def _labelled_one_way(self) -> Self:
        patterns = self.label_pattern is not None or self.labels
        if self.kind == "cifar" and patterns:
            raise ValueError(
                'kind is "cifar", whose records have labels: leave out `label_pattern` and `labels`'
            )
        if self.columns.label and patterns:
            raise ValueError("want `columns.label`, `label_pattern` or `labels`, one of them")
        if self.labels and self.label_pattern is not None:
            raise ValueError("want `label_pattern` or `labels`, not both")
        if self.classes and not self.labels:
            raise ValueError("`classes` does nothing without `labels`: give it")
        if self.columns.owner and self.owner_pattern:
            raise ValueError("want `columns.owner` or `owner_pattern`, not both")
        return self

    @model_validator(mode="after")
    def _named(self) -> Self:
        last = last_part(self.path)
        is_there = not is_remote(self.path) and os.path.exists(local(self.path))
        is_pattern = self.kind == "files" and split_glob(last)[1] and not is_there
        if not self.name and (is_pattern or not self.own_name):
            why = "it ends in a pattern" if is_pattern else "its path has no last part"
            raise ValueError(
                f"the source {self.path} has no name of its own, since {why}: give it a `name`, "
                "which is part of its photos' ids"
            )
        return self

    @property
    def own_name(self) -> str:
        """The name that it has, or that its path gives it; in NFC."""
        last = last_part(self.path)
        if self.kind == "table" and "/" not in self.path:
            last = last.rpartition(".")[2]
        return unicodedata.normalize("NFC", self.name or ARCHIVE.sub("", last) or last)

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.kind != "table" and self.model_fields_set & {"format", "columns"}:
            raise ValueError('`format` and `columns` are of tables: give kind = "table" with them')
        if self.kind == "cifar" and self.owner_pattern:
            raise ValueError('kind is "cifar", whose records have no owners: no `owner_pattern`')
        if self.kind == "table" and not (self.columns.path or self.columns.content):
            raise ValueError("a table of photos wants a column of paths or one of contents")
        if self.kind == "table" and not (self.columns.path or self.columns.id):
            raise ValueError("a table without paths wants `columns.id`, which tells photos apart")
        return self


class IngestPhotos(JobConfig):
    """Brings photos from folders, tars, tables and CIFAR into PHOTOS; reads only what changed."""

    name = "ingest_photos"
    needs = ("make_sample",)
    adds_to = ("photos", "quarantine", "ingested_archives")
    file_keys = pattern_keys = ("source",)
    source: Annotated[tuple[PhotoSource, ...], Field(min_length=1)]
    """Where photos come from: a path, a table of keys as below, or a list of these."""
    label_pattern: LabelPattern = PARENT_FOLDER
    """A regular expression for paths, whose first group is the label. "" gives no labels. It holds
    for sources that have none of their own. The default takes the name of the folder."""
    max_pixels: PositiveInt = photo_limits.MAX_PIXELS
    """The most pixels of a photo, by its header. Larger photos are refused (`too_large`)."""
    min_side: PositiveInt = photo_limits.MIN_SIDE
    """The least pixels of a photo's shorter side. Smaller photos are refused (`too_small`)."""
    max_content_bytes: Annotated[int, Field(ge=0)] = 16 << 20
    """The most bytes of a file that PHOTOS copies. Of larger files PHOTOS has only the paths. 0
    copies no file but members of archives."""
    file_bytes: PositiveInt = 256 << 20
    """The bytes of photos that a task reads and a file of PHOTOS holds, about."""
    read_threads: PositiveInt = photo_limits.READ_THREADS
    """The number of files that a task reads at once."""
    read_timeout_s: Seconds = photo_limits.READ_TIMEOUT_S
    """The seconds that reading a file may take. A slower file is refused (`time_out`)."""
    max_bad_share: Share = 0.2
    """The share of photos that may be refused. Above it the job fails and says which reason
    dominates."""
    retry: Several[Reason] = ()
    """The reasons whose refused files the job looks at again. --retry gives them as well."""
    vacuum_hours: Annotated[int, Field(ge=0)] = 168
    """The hours for which files stay that PHOTOS no longer uses. 0 keeps them for ever."""
    poll_interval_s: Annotated[float, Field(ge=0.0)] = 0.0
    """The seconds from the end of a run to the next one, until SIGTERM or Ctrl-C. 0 runs once."""

    @field_validator("source", mode="before")
    @classmethod
    def _from_paths(cls, value: Any) -> Any:
        given = value if isinstance(value, list | tuple) else [value]
        return [{"path": item} if isinstance(item, str) else item for item in given]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources()]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"several sources have the name {doubled[0]!r}, and it is part of a photo's id: "
                "give each a `name` of its own"
            )
        return self

    def input_files(self) -> dict[str, list[str]]:
        """The files and folders that `source` names, less the names of tables of a catalog."""
        tables, files = self.input_tables(), super().input_files()
        return {key: [path for path in paths if path not in tables] for key, paths in files.items()}

    def input_tables(self) -> list[str]:
        """The sources that are names of tables of a catalog."""
        return [s.path for s in self.source if s.kind == "table" and "/" not in s.path]

    def sources(self) -> list[PhotoSource]:
        """Every source with its name and its label pattern filled in."""
        return [self._filled_in(source) for source in self.source]

    def _filled_in(self, source: PhotoSource) -> PhotoSource:
        pattern = source.label_pattern
        if pattern is None:
            labelled = source.labels or source.columns.label or source.kind == "cifar"
            pattern = "" if labelled else self.label_pattern
        return source.model_copy(update={"name": source.own_name, "label_pattern": pattern})


class EmbedPhotos(ModelJobConfig):
    """Gives every photo of PHOTOS a row of EMBEDDINGS, or of QUARANTINE, once per model."""

    name = "embed_photos"
    beside_itself = True  # with other models
    needs = ("ingest_photos", "train_devise")
    adds_to = ("embeddings", "quarantine", "current_models")
    batch_size: PositiveInt = 64
    """The number of photos per call of the network."""
    decode_threads: Annotated[int, Field(ge=0)] = 0
    """The number of threads of a task that decode. 0 means one more than the task has cores."""
    read_threads: PositiveInt = photo_limits.READ_THREADS
    """The number of threads, in place of these, for photos that are read from their paths."""
    prefetch_bytes: PositiveInt = photo_limits.PREFETCH_BYTES
    """The most bytes of photos that a task has read and decoded ahead of the network."""
    files_per_batch: PositiveInt = 100
    """The number of files of PHOTOS per micro-batch, which is a commit. Each file becomes two
    tasks. A good number is 1.5 times the cores."""
    photos_per_task: PositiveInt = 10_000
    """The most photos of a task."""
    store_backbone_features: bool = False
    """Whether EMBEDDINGS keeps the backbone's feature as well."""
    precision: Literal["float32", "float16"] = "float32"
    """What the numbers of vectors are rounded to. With float16 files take about half the space."""
    read_timeout_s: Seconds = photo_limits.READ_TIMEOUT_S
    """The seconds that reading and decoding a photo may take. A slower one is refused."""
    max_bad_share: Share = 0.2
    """The share of photos that may be refused. Above it the job fails and says which reason
    dominates."""
    retry: Several[Reason] = ()
    """The reasons whose refused photos the job tries again. --retry gives them as well."""
    poll_interval_s: Annotated[float, Field(ge=0.0)] = 0.0
    """The seconds between two looks for new photos, until SIGTERM or Ctrl-C. With 0 the job ends
    once every photo has its result."""
    make_current: bool = True
    """Whether readers see this model once every photo has its result. CURRENT_MODELS names the
    model that readers see. With a catalog `embeddings_current` shows it."""
    keep_models: Annotated[int, Field(ge=0)] = 0
    """How many of the models that were current last keep their rows. 0 means all."""
    optimize: bool = True
    """Whether the files of a complete model are sorted by photo_id, and many small ones packed."""
    vacuum_hours: Annotated[int, Field(ge=0)] = 168
    """The hours for which files stay that no version of a table needs. 0 keeps them for ever."""
    progress_s: Seconds = 5.0
    """The seconds between two lines about the progress."""
    predict_photos: PositiveInt = 100_000_000
    """The number of photos for which the last lines forecast hours and cost."""
    core_hour_price: Annotated[float, Field(ge=0.0)] = 0.05
    """The price of a core for an hour, in any currency, for that forecast."""
