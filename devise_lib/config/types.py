"""What the configurations of the jobs are made of: common keys, label sets, types of values."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from devise_lib.backbone_catalog import network_type

PositiveInt = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _with_a_group(text: str) -> str:
    if text and not re.compile(text).groups:
        raise ValueError('want a group (...) around the label or owner, or "" for none')
    return text


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("want a path, and it is empty: is a variable in the command line unset?")
    return text


def _without_backtick(path: str) -> str:
    if "`" in path:
        raise ValueError(
            "want a folder without a ` in its path, since Delta creates no table there"
        )
    return path


T = TypeVar("T")
# A path that has to be given: an empty one would be the current folder.
GivenPath = Annotated[str, AfterValidator(_not_blank)]
WorkDir = Annotated[str, AfterValidator(_without_backtick)]
# One that may be left out, which "" does; blanks alone are a path of nothing.
OptionalPath = Annotated[str, AfterValidator(lambda text: text and _not_blank(text))]
# One alone may be given without brackets.
Several = Annotated[tuple[T, ...], BeforeValidator(_several)]
OneOrMore = Annotated[Several[T], Field(min_length=1)]
RegularExpression = Annotated[str, AfterValidator(_regular_expression)]
LabelPattern = Annotated[RegularExpression, AfterValidator(_with_a_group)]
ModelName = Annotated[str, Field(pattern=r"^[\w.-]+$")]  # it stands in paths and in SQL
NetworkName = Annotated[str, AfterValidator(lambda name: network_type(name).name)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
# Of a label set, compared with those of LABELS: in NFC as their labels are.
Name = Annotated[str, AfterValidator(lambda text: unicodedata.normalize("NFC", text))]


class Frozen(BaseModel):
    """Values are fixed once read; a key that no field has is a fault, never ignored."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False
    )


class LabelTable(Frozen):
    """Labels of a table of text: label, terms, split and aliases, tab-separated."""

    kind: Literal["table"]
    name: Name
    path: GivenPath


class ImageNetLabels(Frozen):
    """Labels that are WordNet ids: a list of ids, and the terms of every id."""

    kind: Literal["imagenet"]
    name: Name
    words: GivenPath
    ids: GivenPath
    seen: bool = True  # whether photos of them may be trained on


class FolderLabels(Frozen):
    """Labels that are the folders of `folder`; `split` (JSON) tells terms and the unseen ones."""

    kind: Literal["folders"]
    name: Name
    folder: GivenPath
    split: GivenPath


class CifarLabels(Frozen):
    """Labels that are the classes of CIFAR; `split` (JSON) tells terms and the unseen ones."""

    kind: Literal["cifar"]
    name: Name
    names: GivenPath  # fine_label_names.txt or batches.meta.txt: one class a line
    split: OptionalPath = ""  # default: every class is seen


class Awa2Labels(Frozen):
    """Labels that are the classes of Animals with Attributes 2, from the folder of its release."""

    kind: Literal["awa2"]
    name: Name
    folder: GivenPath  # of classes.txt, predicate-matrix-continuous.txt and JPEGImages
    unseen: OptionalPath = ""  # a class a line; default: testclasses.txt of the folder


LabelSet = Annotated[
    LabelTable | ImageNetLabels | FolderLabels | CifarLabels | Awa2Labels,
    Field(discriminator="kind"),
]


def _none_or_several(folds: int) -> int:
    if folds == 1:
        raise ValueError("with 1 fold no label would be left to train on: give 0, or 2 at least")
    return folds


Folds = Annotated[int, Field(ge=0), AfterValidator(_none_or_several)]


class Candidates(Frozen):
    """Labels of several sets, to look for a photo's label among."""

    name: Name
    label_sets: OneOrMore[Name]
    ids: OptionalPath = ""  # a file, one label a line: of the unseen labels only these
    # Sets whose seen labels count beside these in hierarchical precision, as in the paper's tasks.
    valid_sets: Several[Name] = ()
    photo_sets: Several[Name] = ()  # the photos that are asked; default: all


# Machines with the slots of each, as `horovodrun -H` takes them: "gpu1:4,gpu2:4".
Hosts = Annotated[str, Field(pattern=r"^([\w.-]+:[1-9]\d*(,[\w.-]+:[1-9]\d*)*)?$")]


class JobConfig(Frozen):
    """The keys that every job has; they stand at the top of the file."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # the jobs whose results this one reads
    file_keys: ClassVar[tuple[str, ...]] = ()  # the keys that name files that must be there
    store_keys: ClassVar[tuple[str, ...]] = ()  # those of them whose files Spark reads, wherever
    adds_to: ClassVar[tuple[str, ...]] = ()  # the tables that stay as they are if nothing is new
    # Whether several runs may go on at once in a work folder, each with locks of its own.
    beside_itself: ClassVar[bool] = False
    opt_in: ClassVar[bool] = False  # the pipeline runs it only where the file has its table

    work_dir: WorkDir = "work"  # a folder that the driver and every executor see
    seed: Seed = 0
    tracking_uri: OptionalPath = ""  # of MLflow; default: an SQLite file in the work folder
    catalog: OptionalPath = (
        ""  # a prefix for table names, e.g. "main.devise"; default: tables by path
    )
    label_sets: tuple[LabelSet, ...] = ()
    test_share: Share = 0.25  # of the photos of seen labels; no model is trained on these
    # Parts of the labels with training photos, which play the unseen ones in turn while settings
    # are chosen; 0: nothing is chosen.
    validation_folds: Folds = 5

    def input_files(self) -> dict[str, list[str]]:
        """The files and folders that each of `file_keys` names."""
        return {key: list(_paths(getattr(self, key))) for key in self.file_keys}


class ModelJobConfig(JobConfig):
    """The keys of the jobs that use a registered model."""

    model_name: ModelName = "devise"
    model: str = "champion"  # an alias of the registry, or a version number


_PATH_FIELDS = (
    *("path", "labels", "classes"),  # of a source
    *("words", "ids", "folder", "split", "names", "unseen"),  # of a label set
)


def _paths(value: Any) -> Iterator[str]:
    """The paths in a value: itself, its items, or the path fields of a source or label set."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, BaseModel):
        for name in _PATH_FIELDS:
            yield from _paths(getattr(value, name, ""))
    elif isinstance(value, tuple):
        for item in value:
            yield from _paths(item)
