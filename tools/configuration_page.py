"""The page of all configuration keys, made of the models of devise_lib.config."""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from devise_lib.backbone_catalog import CIFAR_RESNET, NETWORKS
from devise_lib.config import types
from devise_lib.config.photos import PhotoSource, SetName, TableColumns
from devise_lib.config.registry import JOBS
from devise_lib.config.types import Candidates, JobConfig, LabelSet
from devise_lib.reasons import Reason
from devise_lib.spark.tables.descriptions import DESCRIPTIONS

LABEL_SETS: tuple[type[BaseModel], ...] = get_args(get_args(LabelSet)[0])
INTRODUCTION = """\
A configuration file is TOML. The common keys stand at its top, and each job has a table of its
name. `--set KEY=VALUE` or `--set JOB.KEY=VALUE` overrides a key; the value is TOML, or else text.
Every key that no job has, and every value of another type, is reported before Spark starts.

- A text may hold `${NAME}` or `${NAME:-default}` for a variable of the environment.
- In a text `{work_dir}` stands for the work folder.
- Where the type says "or a list", one value alone needs no brackets.
- Spark's own settings go to a table `[spark]`, without their prefix `spark.`.
"""
OPTIONAL = '{}, or `""`'
KEYS = {"tracking_uri": OPTIONAL.format("URI"), "catalog": OPTIONAL.format("name")}  # of no file
PAGE_TYPES: tuple[tuple[object, str], ...] = (  # types whose rule is a function -> in words
    (types.WorkDir, "path"),
    (types.GivenPath, "path"),
    (types.OptionalPath, OPTIONAL.format("path")),
    (types.LabelPattern, "regular expression with a group"),
    (types.RegularExpression, "regular expression"),
    (types.ModelName, "letters, digits, `_`, `.` and `-`"),
    (types.NetworkName, "[network](#networks)"),
    (types.Hosts, OPTIONAL.format("host:slots, separated by commas")),
    (types.Folds, "whole number: 0, or from 2"),
    (types.LabelSet, "[label set](#label-sets)"),
    (SetName, "name without a slash"),
    (types.Name, "name"),
    (PhotoSource, "[photo source](#photo-sources)"),
    (TableColumns, "[columns](#columns-of-a-table-of-photos)"),
    (Candidates, "[candidate set](#candidate-sets)"),
    (Reason, "[reason](reasons.md)"),
    (bool, "true or false"),
    (int, "whole number"),
    (float, "number"),
    (str, "text"),
)


def page() -> str:
    """The page, in Markdown."""
    parts = [
        "# Configuration keys",
        INTRODUCTION,
        "Jobs, in their order:",
        "\n".join(f"- [{job.name}](#{job.name})" for job in JOBS),
        "## Common keys",
        "All jobs must agree on these keys, so a job's own table may not have them.",
        _table(JobConfig, JobConfig.model_fields),
        *(part for job in JOBS for part in _of_job(job)),
        "## Photo sources",
        f"{_about(PhotoSource)} A path alone stands for a source with this `path`.",
        _table(PhotoSource, PhotoSource.model_fields),
        "## Columns of a table of photos",
        _about(TableColumns),
        _table(TableColumns, TableColumns.model_fields),
        "## Candidate sets",
        _about(Candidates),
        _table(Candidates, Candidates.model_fields),
        "## Label sets",
        "The key `kind` of a label set says where its labels come from. A label may be in several "
        "sets if it has the same vector in all of them.",
        *(part for each in LABEL_SETS for part in _of_label_set(each)),
        "## Networks",
        "A network takes photos of its own size, unless `image_size` gives another one. "
        f"`{CIFAR_RESNET}N` may have any depth N = 6n + 2 from 8 on.",
        _networks(),
    ]
    return as_page(parts)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """What each key of a model means: the text below it in the source."""
    models = [each for each in reversed(model.__mro__) if issubclass(each, BaseModel)]
    return {key: text for each in models[1:] for key, text in _own_meanings(each).items()}


@cache
def _own_meanings(model: type[BaseModel]) -> dict[str, str]:
    found: dict[str, str] = {}
    [node] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    for key, text in pairwise(node.body if isinstance(node, ast.ClassDef) else []):
        match key, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                found[name] = " ".join(meaning.split())
    return found


def type_in_words(hint: Any) -> str:
    """What values a key takes, by its annotation: "whole number from 1".

    Raises:
        TypeError: PAGE_TYPES lacks the type.
    """
    for known, words in PAGE_TYPES:
        if hint is known or hint == known:
            return words
    if get_origin(hint) is Annotated:
        base, *rules = get_args(hint)
        if get_origin(base) is tuple:
            kind = get_args(base)[0]
            takes_one = kind is PhotoSource or any(isinstance(r, BeforeValidator) for r in rules)
            words = type_in_words(kind)
            return f"{words}, or a list" if takes_one else f"list: {words}"
        return f"{type_in_words(base)}{_range(rules)}"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(f'`{value}`' for value in get_args(hint))}"
    if get_origin(hint) is tuple:
        return f"list: {type_in_words(get_args(hint)[0])}"
    if get_origin(hint) in (Union, UnionType):
        [only] = [each for each in get_args(hint) if each is not type(None)]
        return type_in_words(only)
    raise TypeError(f"no words for the type {hint}: put it into PAGE_TYPES")


def _range(rules: Iterable[object]) -> str:
    told = [each for rule in rules if isinstance(rule, FieldInfo) for each in rule.metadata]
    words = ""
    for rule in told:  # the lower bound comes first
        match rule:
            case Ge(ge=bound):
                words += f" from {_number(bound)}"
            case Gt(gt=bound):
                words += f" above {_number(bound)}"
            case Le(le=bound):
                words += f" to {_number(bound)}"
            case Lt(lt=bound):
                words += f" and below {_number(bound)}"
    return words


def in_toml(value: Any) -> str:
    """A default as a configuration file would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, StrEnum | str):
        return f"'{value}'" if "\\" in value or "(" in value else json.dumps(str(value))
    if isinstance(value, tuple):
        return f"[{', '.join(map(in_toml, value))}]"
    return _number(value)


def _number(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    return repr(value).removesuffix(".0") if value < 1e4 else f"{value:.0e}".replace("+0", "")


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "required"
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "see there"
    mebibytes, rest = divmod(value, 1 << 20) if type(value) is int else (0, 0)
    told = f"`{in_toml(value)}`"
    return f"{told} ({mebibytes} MiB)" if mebibytes and not rest else told


def _table(model: type[BaseModel], keys: Iterable[str]) -> str:
    hints, meaning = get_type_hints(model, include_extras=True), meanings(model)
    rows = []
    for key in keys:
        type_ = KEYS.get(key) or type_in_words(hints[key])
        rows.append((f"`{key}`", type_, _default(model.model_fields[key]), meaning[key]))
    return markdown_table(("key", "type", "default", "meaning"), rows)


def as_page(parts: Iterable[str]) -> str:
    """Headings, paragraphs, lists and tables as one page."""
    whole = (
        part.strip() if part.startswith(("|", "<!--")) else fill(part.strip()) for part in parts
    )
    return "\n\n".join(whole) + "\n"


def fill(text: str) -> str:
    """Paragraphs and items of lists, each a line or more, in lines of at most 120 characters."""
    parts = re.split(r"(\n\n|\n(?=- ))", text)
    return "".join(part if not part.strip() else _fill(part) for part in parts)


def _fill(part: str) -> str:
    indent = "  " if part.startswith("- ") else ""
    words = " ".join(part.split())
    return textwrap.fill(
        words, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown; bars within its cells are kept from cutting them."""
    lines = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    names = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in [names, ["---"] * len(names), *lines])


def _about(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _of_job(job: type[JobConfig]) -> Iterator[str]:
    yield f"## {job.name}"
    yield _about(job)
    lines = []
    if job.opt_in:
        table = f"[{job.name}]"
        lines.append(f"- Opt-in: the pipeline runs the job only if the file has a table `{table}`.")
    if job.needs:
        opt_in = {each.name for each in JOBS if each.opt_in}
        needs = (f"[{n}](#{n}){' (if it ran)' if n in opt_in else ''}" for n in job.needs)
        lines.append(f"- Needs the results of {', '.join(needs)}.")
    for what, tables in (
        ("Reads", [name for name, each in DESCRIPTIONS.items() if job.name in each.read_by]),
        ("Writes", [name for name, each in DESCRIPTIONS.items() if job.name in each.written_by]),
    ):
        if tables:
            links = (f"[{name.upper()}](../analysts/tables.md#{name})" for name in tables)
            lines.append(f"- {what} the tables {', '.join(links)}.")
    if job.file_keys:
        files = ", ".join(f"`{key}`" for key in job.file_keys)
        lines.append(f"- Keys whose files must be there: {files}.")
    if lines:
        yield "\n".join(lines)
    yield _table(job, [key for key in job.model_fields if key not in JobConfig.model_fields])


def _of_label_set(model: type[BaseModel]) -> Iterator[str]:
    [kind] = get_args(model.model_fields["kind"].annotation)
    yield f'### kind = "{kind}"'
    yield _about(model)
    yield _table(model, [key for key in model.model_fields if key != "kind"])


def _networks() -> str:
    rows = [
        (
            f"`{each.name}`",
            f"{each.image_size}",
            "none" if each.sized else f"from {each.min_size}",
            "yes" if each.application else "no",
            "yes" if each.dense_top else "no",
        )
        for each in NETWORKS.values()
    ]
    rows.insert(1, (f"`{CIFAR_RESNET}N`", "32", "from 32", "no", "yes"))
    head = (
        "network",
        "own size, pixels",
        "other sizes",
        '`weights = "imagenet"`',
        "takes `classes`",
    )
    return markdown_table(head, rows)
