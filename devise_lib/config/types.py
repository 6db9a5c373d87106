"""What the configurations of the jobs are made of: common keys, label sets, types of values."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
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
    """Values are fixed once read; a key that no field has is a fault, never ignored.

    The text below each key is its meaning in docs/reference/configuration.md. The documentation's
    program (`make docs`) reads it from the source. Pydantic could read it, too
    (`use_attribute_docstrings`), for 60 ms in each process that imports a configuration.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False
    )


class NamedLabelSet(Frozen):
    """What every kind of label set has."""

    name: Name
    """The name that other keys, and the column LABELS.label_set, give the set."""


class LabelTable(NamedLabelSet):
    """The labels are the rows of a text file.

    Its columns are label, terms, split and aliases, separated by tabs.
    """

    kind: Literal["table"]
    path: GivenPath
    """The text file."""


class ImageNetLabels(NamedLabelSet):
    """The labels are WordNet ids, such as `n02084071`."""

    kind: Literal["imagenet"]
    words: GivenPath
    """A file with the terms of every id: per line an id, a tab, and its terms."""
    ids: GivenPath
    """A file with the ids of the set, one per line."""
    seen: bool = True
    """Whether the jobs may train on photos of these labels."""


class FolderLabels(NamedLabelSet):
    """The labels are the names of the folders below `folder`."""

    kind: Literal["folders"]
    folder: GivenPath
    """The folder that holds a folder of photos per label."""
    split: GivenPath
    """A JSON file of four optional keys. `terms` gives the terms of a folder, and `same` the folder
    whose label it shares. `unseen` lists labels, and `left_out` folders that are no labels."""


class CifarLabels(NamedLabelSet):
    """The labels are the classes of CIFAR-10 or CIFAR-100."""

    kind: Literal["cifar"]
    names: GivenPath
    """The release's list of classes, one per line: batches.meta.txt or fine_label_names.txt."""
    split: OptionalPath = ""
    """A JSON file like that of the kind "folders". With "" every class is seen."""


class Awa2Labels(NamedLabelSet):
    """The labels are the classes of Animals with Attributes 2."""

    kind: Literal["awa2"]
    folder: GivenPath
    """The folder of the release. It holds classes.txt, predicate-matrix-continuous.txt and
    JPEGImages."""
    unseen: OptionalPath = ""
    """A file with the unseen classes, one per line. "" takes testclasses.txt of the folder."""


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
    """A set of candidate labels, among which `evaluate` looks for the right label of a photo."""

    name: Name
    """The name of the candidate set in METRICS.candidate_set."""
    label_sets: OneOrMore[Name]
    """The label sets whose labels are candidates."""
    ids: OptionalPath = ""
    """A file with one label per line. Of the unseen labels only these are candidates then."""
    valid_sets: Several[Name] = ()
    """Label sets whose seen labels count as well in hierarchical precision. The tasks of the DeViSE
    paper count these."""
    photo_sets: Several[Name] = ()
    """The photo sets whose test photos are ranked. An empty list means all photo sets."""


# Machines with the slots of each, as `horovodrun -H` takes them: "gpu1:4,gpu2:4".
Hosts = Annotated[str, Field(pattern=r"^([\w.-]+:[1-9]\d*(,[\w.-]+:[1-9]\d*)*)?$")]


class JobConfig(Frozen):
    """The keys that every job has. They stand at the top of the file."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # the jobs whose results this one reads
    file_keys: ClassVar[tuple[str, ...]] = ()  # the keys that name files that must be there
    pattern_keys: ClassVar[tuple[str, ...]] = ()  # those of them that may be patterns
    adds_to: ClassVar[tuple[str, ...]] = ()  # the tables that stay as they are if nothing is new
    # Whether several runs may go on at once in a work folder, each with locks of its own.
    beside_itself: ClassVar[bool] = False
    opt_in: ClassVar[bool] = False  # the pipeline runs it only where the file has its table

    work_dir: WorkDir = "work"
    """The work folder, which holds tables, index, models and report. The driver and every executor
    must see it: a local disk, NFS, a mounted store, or the URI of an object store (s3://, s3a://,
    gs://, abfss://, hdfs://). dbfs:/ is refused."""
    seed: Seed = 0
    """The seed of everything that the jobs draw at random."""
    tracking_uri: OptionalPath = ""
    """The address of MLflow's store. "" means an SQLite file in the work folder. For a work folder
    on an object store the file lies below ~/.devise on the driver, and is lost with it."""
    catalog: OptionalPath = ""
    """A prefix for table names in Spark's catalog, such as `main.devise`. With "" the tables are
    known by their paths alone."""
    label_sets: tuple[LabelSet, ...] = ()
    """The label sets: which labels there are, what they are called, and which are unseen."""
    test_share: Share = 0.25
    """The share of the photos of seen labels that is kept for testing. No model is trained on these
    photos. A photo source may set a share of its own."""
    validation_folds: Folds = 5
    """The number of folds into which the labels with training photos are dealt. Each fold plays the
    unseen labels in turn while settings are chosen. 0 chooses no settings; 1 is refused."""

    def input_files(self) -> dict[str, list[str]]:
        """The files and folders that each of `file_keys` names."""
        return {key: list(_paths(getattr(self, key))) for key in self.file_keys}

    def input_tables(self) -> list[str]:
        """The tables of the catalog that the job reads, by name, beside those of the flow."""
        return []


class ModelJobConfig(JobConfig):
    """The keys of the jobs that use a registered model."""

    model_name: ModelName = "devise"
    """The name of the model in MLflow's registry."""
    model: str = "champion"
    """The version of the model: an alias of the registry, or a version number."""


def refuse_idle(
    config: BaseModel, key: str, keys_of: Mapping[tuple[str, ...], Sequence[str]]
) -> None:
    """Raise ValueError where keys are given that do nothing for the kinds of `key`.

    Args:
        config: its value of `key` is a kind, or a tuple of kinds.
        keys_of: by kinds, the keys that only these have a use for.
    """
    value = getattr(config, key)
    chosen = {value} if isinstance(value, str) else set(value)
    for kinds, keys in keys_of.items():
        idle = sorted(config.model_fields_set.intersection(keys))
        if idle and not chosen.intersection(kinds):
            raise ValueError(
                f"{key} is {', '.join(sorted(chosen))}, which has no use for {', '.join(idle)}: "
                "leave it out"
            )


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
