"""Read a configuration file: defaults, the file, then `--set`; every fault in one message."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from devise_lib.config import JOBS
from devise_lib.config_types import JobConfig
from devise_lib.errors import ConfigError
from devise_lib.paths import is_remote, local, split_glob

COMMON_KEYS = tuple(JobConfig.model_fields)
JOB_TYPES = {job.name: job for job in JOBS}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
TREE = dict[str, Any]


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
    tree = _read_toml(path)
    faults: list[str] = []
    for override in overrides:
        faults += _apply(tree, override)
    spark_table = tree.pop("spark", {})
    if not isinstance(spark_table, dict):
        faults.append(
            f"spark is {spark_table!r}, want a table [spark], as in 'driver.memory' = '2g'"
        )
    spark = {key: _text(value) for key, value in _flatten(spark_table)}
    work_dir = str(tree.get("work_dir", JobConfig.model_fields["work_dir"].default))
    tree["work_dir"], found = _shared_folder(work_dir)
    faults += found
    tree, unset = _expand(tree, tree["work_dir"])
    blank = {where.partition(".")[0] for where, _ in unset}  # keys and tables: not checked further
    faults += [
        f"{where}: the environment variable {name} is not set"
        for where, name in unset
        if where.partition(".")[0] not in JOB_TYPES.keys() - set(jobs)
    ]
    common = {key: tree[key] for key in COMMON_KEYS if key in tree}
    faults += [_unknown([key], "") for key in sorted(tree.keys() - {*COMMON_KEYS, *JOB_TYPES})]

    base, found = _validate(JobConfig, common, "")
    faults += found
    shared = {key: value for key, value in common.items() if base is not None}
    configs: dict[str, JobConfig] = {}
    for name, job_type in JOB_TYPES.items():
        if job_type.opt_in and name not in tree:
            continue
        table = tree.get(name, {})
        if not isinstance(table, dict):
            faults.append(f"{name} is {table!r}, want a table [{name}]")
            continue
        if name in blank:
            continue
        config, found = _validate(job_type, {**shared, **table}, name, required=name in jobs)
        faults += found
        if config is not None and name in jobs:
            configs[name] = config
            faults += _missing_files(config)
    if faults or base is None:
        raise ConfigError("\n".join([f"{path} cannot be used:", *dict.fromkeys(faults)]))
    return Settings(path, base, spark, configs)


def _shared_folder(work_dir: str) -> tuple[str, list[str]]:
    """The work folder as an absolute path, since executors may have another current folder."""
    folder = work_dir.removeprefix("file://").removeprefix("file:")
    if "://" in folder or not folder:
        fault = (
            f"work_dir is {work_dir!r}: want a folder that the driver and every executor see "
            "(a local disk, NFS, or a mount such as /dbfs or /Volumes)"
        )
        return work_dir, [fault]
    return str(Path(folder).absolute()), []


def _read_toml(path: Path) -> TREE:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {path}: give --config FILE.toml") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from None


def _apply(tree: TREE, override: str) -> list[str]:
    """Set one "KEY=VALUE" in `tree`; returns what is wrong with it."""
    key, equals, text = override.partition("=")
    head, dot, rest = (part.strip() for part in key.partition("."))
    if not equals or not head or (dot and not rest):
        return [f"--set {override!r}: want KEY=VALUE or JOB.KEY=VALUE"]
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    if not dot:
        tree[head] = value
        return []
    table = tree.setdefault(head, {})
    if not isinstance(table, dict) or (head not in JOB_TYPES and head != "spark"):
        return [f"--set {override!r}: there is no job {head!r}{_guess(head, JOB_TYPES)}"]
    table[rest] = value
    return []


def _expand(tree: TREE, work_dir: str) -> tuple[TREE, list[tuple[str, str]]]:
    """Replace {work_dir}, ${NAME} and ${NAME:-default} in every string of `tree`."""
    unset: list[tuple[str, str]] = []

    def expand(value: Any, where: str) -> Any:
        if isinstance(value, dict):
            return {k: expand(v, f"{where}.{k}".lstrip(".")) for k, v in value.items()}
        if isinstance(value, list):
            return [expand(v, where) for v in value]
        if not isinstance(value, str):
            return value

        def variable(match: re.Match[str]) -> str:
            name, default = match.group(1), match.group(2)
            found = os.environ.get(name) or default
            if found is None:
                unset.append((where, name))
                return match.group(0)
            return found

        return VARIABLE.sub(variable, value).replace("{work_dir}", work_dir.rstrip("/"))

    return expand(tree, ""), unset


def _validate(
    model: type[JobConfig], values: TREE, table: str, required: bool = True
) -> tuple[JobConfig | None, list[str]]:
    """Build `model`, or list its faults; a missing key is one only where it is `required`."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        faults = []
        errors = error.errors(include_url=False)
        for fault in errors:
            if any(_is_below(other["loc"], fault["loc"]) for other in errors):
                continue  # a list whose item has a fault counts as without it
            path = _place(fault["loc"], values)
            if table and path and path[0] in COMMON_KEYS:
                continue  # told once, for the top of the file
            where = ".".join([table, *path] if table else path)
            if fault["type"] == "extra_forbidden":
                faults.append(_unknown(path, table, model))
            elif fault["type"] == "missing":
                if required:
                    faults.append(f"{where} is missing: give [{table}] {path[-1]} = ...")
            else:
                given = "" if isinstance(fault["input"], Mapping) else f" is {fault['input']!r}"
                faults.append(f"{where}{given}: {fault['msg'].removeprefix('Value error, ')}")
        return None, faults


def _place(loc: tuple[int | str, ...], values: TREE) -> list[str]:
    """The keys that lead to a fault, as the file has them."""
    if loc and not isinstance(values.get(str(loc[0])), list):
        loc = tuple(part for part in loc if not isinstance(part, int))  # the model made it a list
    return [str(part) for part in loc if part not in ("str", "tuple")]


def _is_below(loc: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(loc) > len(other) and loc[: len(other)] == other


def _unknown(path: list[str], table: str, model: type[BaseModel] | None = None) -> str:
    """The fault of a key that nothing has; `path` are the keys that lead to it in its table."""
    key, owners = path[-1], []
    if len(path) > 1 and model:  # a key of an item, such as a source
        items = model.model_json_schema().get("$defs", {}).values()
        known = sorted({name for item in items for name in item.get("properties", ())})
    else:
        known = list(model.model_fields) if model else [*COMMON_KEYS, *JOB_TYPES, "spark"]
        owners = [job.name for job in JOBS if key in job.model_fields and key not in COMMON_KEYS]
    exact = " or ".join(f"{name}.{key}" for name in owners)
    guess = f", did you mean {exact}?" if exact else _guess(key, known)
    return f"{'.'.join(filter(None, [table, *path]))}: unknown key{guess}"


def _guess(key: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = get_close_matches(key, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _missing_files(config: JobConfig) -> list[str]:
    """Input files that are not there, less those that the run itself makes in the work folder.

    What Spark reads from a store, or by a pattern, is looked for by the job, once Spark runs.
    """
    made_here = config.work_dir.rstrip("/") + "/"
    return [
        f"{config.name}.{key}: there is no {path!r}; give a path that exists"
        for key, paths in config.input_files().items()
        for path in paths
        if not (key in config.store_keys and is_remote(path))
        and not (key in config.store_keys and split_glob(path)[1])
        and not path.startswith(made_here)
        and not local(path).exists()
    ]
