"""Read a configuration file: defaults, the file, then `--set`; every fault in one message."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from devise_lib.config.photos import PhotoSource
from devise_lib.config.registry import JOBS
from devise_lib.config.tree import Tree, fill_in, find_oddities, parse_value, read_toml, shown
from devise_lib.config.types import JobConfig
from devise_lib.errors import ConfigError
from devise_lib.paths import is_remote, local, split_glob
from devise_lib.storage.settings import is_store

COMMON_KEYS = tuple(JobConfig.model_fields)
JOB_TYPES = {job.name: job for job in JOBS}
RENAMED = {  # keys of earlier versions
    "ingest_photos.trigger_s": "poll_interval_s",
    "embed_photos.trigger_s": "poll_interval_s",
    "embed_photos.ahead_bytes": "prefetch_bytes",
    "embed_photos.feature": "store_backbone_features",
    "train_devise.pull": "l2_sp",
    "train_devise.violators": "negative_mining",
    "evaluate.strengths": "regularization",
    "evaluate.conse_t": "conse_top_t",
    "evaluate.bank": "csls_bank_size",
}


@dataclass(frozen=True)
class Settings:
    """A configuration file, read and checked.

    Attributes:
        path: the file.
        common: the keys at its top.
        spark: Spark's own settings of the table [spark], without their prefix `spark.`.
        jobs: the configuration of each job that was asked for.
    """

    path: Path
    common: JobConfig
    spark: dict[str, str]
    jobs: dict[str, JobConfig]


def load_settings(path: Path, overrides: Sequence[str], jobs: Sequence[str]) -> Settings:
    """Read the TOML file at `path` and check all of it, for a run of `jobs`.

    Args:
        path: a TOML file: common keys, one table a job, and Spark's settings in [spark].
        overrides: "KEY=VALUE" or "JOB.KEY=VALUE"; the value is TOML, or else a string.
        jobs: the jobs about to run: their required keys and variables must be there, and their
            input files exist.

    Raises:
        ConfigError: lists every fault, one a line.
    """
    tree = read_toml(path)
    faults: list[str] = []
    for override in overrides:
        _apply(tree, override, faults)
    if odd := find_oddities(tree):
        raise _cannot_be_used(path, [*faults, *odd])
    spark = _spark_settings(tree.pop("spark", {}), faults)
    tree, left = _fill_in(tree, faults)
    blank = {where.partition(".")[0] for where, _ in left}  # keys and tables: not checked further
    idle = JOB_TYPES.keys() - set(jobs)
    faults += [f"{where}: {fault}" for where, fault in left if where.partition(".")[0] not in idle]
    common = {key: tree[key] for key in COMMON_KEYS if key in tree}
    faults += [_unknown([key], "") for key in sorted(tree.keys() - {*COMMON_KEYS, *JOB_TYPES})]

    base = _validate(JobConfig, common, "", faults)
    shared = common if base else {}
    configs: dict[str, JobConfig] = {}
    for name, job_type in JOB_TYPES.items():
        if job_type.opt_in and name not in tree:
            continue
        table = tree.get(name, {})
        if not isinstance(table, dict):
            faults.append(f"{name} is {shown(table)}, want a table [{name}]")
            continue
        faults += [_not_below(name, key) for key in COMMON_KEYS if key in table]
        if name in blank:
            continue
        own = {key: value for key, value in table.items() if key not in COMMON_KEYS}
        config = _validate(job_type, {**shared, **own}, name, faults, required=name in jobs)
        if config and name in jobs:
            configs[name] = config
            faults += _missing_files(config)
    if faults or not base:
        raise _cannot_be_used(path, faults)
    return Settings(path, base, spark, configs)


def _cannot_be_used(path: Path, faults: Sequence[str]) -> ConfigError:
    return ConfigError("\n".join([f"{path} cannot be used:", *dict.fromkeys(faults)]))


def _not_below(job: str, key: str) -> str:
    """The fault of a common key in the table of one job.

    With a `work_dir`, `catalog` or `tracking_uri` of its own, the job would not meet the others.
    With a `seed`, `test_share` or `validation_folds` of its own, it would train on photos that the
    others keep for testing.
    """
    return (
        f"{job}.{key}: all jobs must agree on {key}; give it at the top of the file, or "
        f"--set {key}=..."
    )


def _fill_in(tree: Tree, faults: list[str]) -> tuple[Tree, list[tuple[str, str]]]:
    """The tree, filled in, and what is wrong with its variables."""
    left: list[tuple[str, str]] = []
    default = JobConfig.model_fields["work_dir"].default
    work_dir = fill_in(tree.get("work_dir", default), "{work_dir}", left, "work_dir")
    if not left:
        work_dir = _shared_folder(work_dir, faults)
    return {**fill_in({**tree, "work_dir": ""}, str(work_dir), left), "work_dir": work_dir}, left


def _shared_folder(work_dir: Any, faults: list[str]) -> str:
    """The work folder as an absolute path or a URI, since executors have other current folders."""
    is_text = isinstance(work_dir, str) and "{work_dir}" not in work_dir  # it would name itself
    if is_text and work_dir.strip():
        printable = work_dir.encode("utf-8", "ignore").decode()  # less bytes that are not UTF-8
        if printable == work_dir and "\0" not in work_dir:
            if not is_remote(work_dir):
                return str(local(work_dir).absolute())
            if is_store(work_dir):
                return work_dir.rstrip("/")
    faults.append(
        f"work_dir is {shown(work_dir)}: want a folder that the driver and every executor see: a "
        "local disk, NFS, a mount such as /dbfs or /Volumes, or a URI such as s3://bucket/devise"
    )
    return ""


def _apply(tree: Tree, override: str, faults: list[str]) -> None:
    """Set one "KEY=VALUE" in `tree`."""
    key, equals, text = override.partition("=")
    head, dot, rest = (part.strip() for part in key.partition("."))
    if not equals or not head or (dot and not rest):
        faults.append(f"--set {override!r}: want KEY=VALUE or JOB.KEY=VALUE")
        return
    if dot and head not in JOB_TYPES and head != "spark":
        faults.append(f"--set {override!r}: there is no job {head!r}{_guess(head, JOB_TYPES)}")
        return
    value = parse_value(text)
    if not isinstance(value, str) and _is_text(head, rest, isinstance(value, list | dict)):
        value = text.strip()  # of a folder that is called 1e3, which TOML takes for a number
    table = tree.setdefault(head, {}) if dot else tree
    if isinstance(table, dict):  # else it is a fault of the file
        table[rest or head] = value


def _is_text(head: str, rest: str, has_parts: bool) -> bool:
    """Whether a key takes text, one of Spark's or of a job.

    A key of several texts or sources takes lists and tables as well, so these stay (`has_parts`).
    """
    if head == "spark":
        return True
    model = JOB_TYPES.get(head, JobConfig) if rest else JobConfig
    field = model.model_fields.get(rest or head)
    kinds = [field.annotation] if field else []
    if not has_parts:
        kinds += [kind for each in kinds for kind in get_args(each)]
    return any(kind in (str, PhotoSource) for kind in kinds)


def _validate(
    model: type[JobConfig], values: Tree, table: str, faults: list[str], required: bool = True
) -> JobConfig | None:
    """Build `model`, or list its faults; a missing key is one only where it is `required`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for fault in errors:
        loc, kind, value = fault["loc"], fault["type"], fault["input"]
        if any(other["loc"][: len(loc)] == loc != other["loc"] for other in errors):
            continue  # a list whose item has a fault counts as without it
        path = _place(loc, values, kind == "extra_forbidden")
        where = ".".join([table, *path] if table else path)
        if kind == "extra_forbidden":
            faults.append(_unknown(path, table, model))
        elif kind != "missing":
            given = "" if isinstance(value, Mapping) else f" is {shown(value)}"
            faults.append(f"{where}{given}: {fault['msg'].removeprefix('Value error, ')}")
        elif required:
            faults.append(f"{where} is missing: give [{table}] {path[-1]} = ...")
    return None


def _place(loc: tuple[int | str, ...], values: Tree, is_key: bool) -> list[str]:
    """The keys that lead to a fault, as the file has them.

    Pydantic's own place has the types of a union, too, of which the last word is none if `is_key`.
    """
    if loc and not isinstance(values.get(str(loc[0])), list):
        loc = tuple(part for part in loc if not isinstance(part, int))  # the model made it a list
    ends = (0, len(loc) - 1 if is_key else 0)
    return [str(part) for n, part in enumerate(loc) if n in ends or part not in ("str", "tuple")]


def _unknown(path: list[str], table: str, model: type[BaseModel] | None = None) -> str:
    """The fault of a key that nothing has; `path` are the keys that lead to it in its table."""
    key, owners = path[-1], []
    if len(path) > 1 and model:  # a key of an item, such as a source
        items = model.model_json_schema().get("$defs", {}).values()
        known = sorted({name for item in items for name in item.get("properties", ())})
    else:
        known = list(model.model_fields) if model else [*COMMON_KEYS, *JOB_TYPES, "spark"]
        owners = [job.name for job in JOBS if key in job.model_fields and key not in COMMON_KEYS]
    if new := RENAMED.get(f"{table}.{key}"):
        return f"{table}.{key}: unknown key, it is called {new!r} now"
    exact = " or ".join(f"{name}.{key}" for name in owners)
    guess = f", did you mean {exact}?" if exact else _guess(key, known)
    return f"{'.'.join(filter(None, [table, *path]))}: unknown key{guess}"


def _guess(key: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = get_close_matches(key, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _spark_settings(table: Any, faults: list[str]) -> dict[str, str]:
    """Spark's settings of the table [spark] as text."""
    settings: dict[str, str] = {}
    if not isinstance(table, dict):
        faults.append(
            f"spark is {shown(table)}, want a table [spark], as in 'driver.memory' = '2g'"
        )
        return settings
    for key, value in _flatten(table):
        if isinstance(value, list):
            faults.append(f"spark.{key} is {shown(value)}: want text, such as 'a,b', or a number")
        elif key.startswith("spark."):
            faults.append(f"spark.{key}: keys of [spark] go without their prefix: give {key}")
        else:
            settings[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return settings


def _flatten(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _missing_files(config: JobConfig) -> list[str]:
    """Input files that are not there, less those that the run itself makes in the work folder.

    What Spark reads from a store, or by a pattern, is looked for by the job, once Spark runs.
    """
    made_here = config.work_dir.rstrip("/") + "/"
    return [
        f"{config.name}.{key}: there is no {path!r}; give a path that exists"
        for key, paths in config.input_files().items()
        for path in paths
        if not is_remote(path)
        and not (key in config.pattern_keys and split_glob(path)[1])
        and not path.startswith(made_here)
        and not os.path.exists(local(path))  # False where the path is too long, or not to be read
    ]
