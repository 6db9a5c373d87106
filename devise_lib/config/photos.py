"""The configuration of the jobs that bring photos into the tables and into the space of words."""

import os
import re
import unicodedata
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

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
    """What the columns of a table of image files are called; "": it has none."""

    path: str = "path"
    content: str = ""  # the file's bytes; "": they are read from its path
    id: str = ""  # a stable id of the photo; "": its path
    label: str = ""
    owner: str = ""
    modified: str = ""  # time of the last change; "": the bytes tell whether they changed


class PhotoSource(Frozen):
    """Photos of one origin. Its name goes to the column `photo_set`."""

    # A folder of photos or tars, a tar, a glob of them (* ? [] {}), CIFAR's folder or .tar.gz, a
    # table's folder or name.
    path: GivenPath
    kind: Literal["files", "cifar", "table"] = "files"  # cifar: its binary version
    # Default: the last part of the path or of the table's name, without an archive's ending.
    name: SetName = ""
    # Its first group is the label. "": the photos have none.
    label_pattern: LabelPattern | None = None
    # A file in place of label_pattern, with a photo's file name and its label per line.
    labels: OptionalPath = ""
    # Where `labels` has numbers: a file with the label of each, as ILSVRC2012's meta.mat.
    classes: OptionalPath = ""
    owner_pattern: LabelPattern = ""  # the first group is the owner: a gallery, a photographer
    # A regular expression. Only paths in which it is found are taken.
    include: RegularExpression = ""
    # Of its photos of seen labels. Default: the common key; of CIFAR the files for testing.
    test_share: Share | None = None
    format: Literal["delta", "parquet"] = "delta"  # of a table
    columns: TableColumns = TableColumns()  # of a table

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
    """Folders, globs, tars and tables of image files, or CIFAR, to PHOTOS and QUARANTINE."""

    name = "ingest_photos"
    needs = ("make_sample",)
    adds_to = ("photos", "quarantine", "ingested_archives")
    file_keys = store_keys = ("source",)
    source: Annotated[
        tuple[PhotoSource, ...], Field(min_length=1)
    ]  # or one path, or a list of them
    label_pattern: LabelPattern = PARENT_FOLDER  # for the sources that do not give their own
    max_pixels: PositiveInt = 64_000_000
    min_side: PositiveInt = 8
    # Larger files stay where they are, and PHOTOS has only their paths; 0: all of them do.
    max_content_bytes: Annotated[int, Field(ge=0)] = 16 << 20
    file_bytes: PositiveInt = 256 << 20  # photos that a file of PHOTOS holds, about
    read_threads: PositiveInt = 8  # files that a task reads at once
    read_timeout_s: Seconds = 60.0  # a file that takes longer is refused
    max_bad_share: Share = 0.2  # above it the job fails and says which reason dominates
    retry: Several[Reason] = ()  # refused files of these classes are looked at again
    vacuum_hours: Annotated[int, Field(ge=0)] = 168  # unused files of PHOTOS stay so long; 0: ever
    poll_interval_s: Annotated[float, Field(ge=0.0)] = (
        0.0  # look again so often, until stopped; 0: once
    )

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
        tables = {s.path for s in self.source if s.kind == "table" and "/" not in s.path}
        files = super().input_files()
        return {key: [path for path in paths if path not in tables] for key, paths in files.items()}

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
    """PHOTOS and the model to EMBEDDINGS and QUARANTINE."""

    name = "embed_photos"
    beside_itself = True  # with other models
    needs = ("ingest_photos", "train_devise")
    adds_to = ("embeddings", "quarantine", "current_models")
    batch_size: PositiveInt = 64  # photos a call of the network
    decode_threads: Annotated[int, Field(ge=0)] = 0  # a task; 0: one a core of it, and one more
    read_threads: PositiveInt = 8  # in place of these for photos that are read from their paths
    prefetch_bytes: PositiveInt = 64 << 20  # of photos that wait for the network, a task, at most
    files_per_batch: PositiveInt = 100  # files of PHOTOS a micro-batch: a commit
    photos_per_task: PositiveInt = 10_000  # at most
    store_backbone_features: bool = False  # keep the backbone's feature, too
    precision: Literal["float32", "float16"] = "float32"  # that vectors are rounded to
    read_timeout_s: Seconds = 60.0  # a photo that takes longer is refused
    max_bad_share: Share = 0.2  # above it the job fails and says which reason dominates
    retry: Several[Reason] = ()  # refused photos of these classes are tried again
    poll_interval_s: Annotated[float, Field(ge=0.0)] = (
        0.0  # look for new ones so often, until stopped
    )
    make_current: bool = True  # once every photo is done, `embeddings_current` shows this model
    keep_models: Annotated[int, Field(ge=0)] = 0  # that were current last keep their rows; 0: all
    optimize: bool = True  # sort the files of a new model by photo_id, and pack many small ones
    vacuum_hours: Annotated[int, Field(ge=0)] = 168  # unused files stay so long; 0: for ever
    progress_s: Seconds = 5.0  # between two lines about the progress
    predict_photos: PositiveInt = 100_000_000  # that hours and cost are told for
    core_hour_price: Annotated[float, Field(ge=0.0)] = 0.05  # in any currency
