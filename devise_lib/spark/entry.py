"""The command line that every job shares, and what surrounds a job wherever it is run."""

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from pyspark.sql import SparkSession

from devise_lib import __version__, tracking
from devise_lib.config_file import load_settings
from devise_lib.config_types import JobConfig
from devise_lib.errors import ConfigError, InputError
from devise_lib.paths import split_glob
from devise_lib.reasons import Reason
from devise_lib.spark.session import is_managed, log_to, start_session

Run = Callable[[SparkSession, Any], dict[str, int]]

WORKER_ERROR = re.compile(r"^devise_lib\.(?:\w+\.)+\w*Error: (.*)$", re.MULTILINE)
MOST_FILES = 100_000  # of one input, that are looked at to tell whether it changed
EXIT_USAGE = 2  # the configuration or the command line
EXIT_FAILED = 1


@dataclass(frozen=True)
class JobRecord:
    """What a finished job leaves in `{work_dir}/runs/JOB.json`.

    Attributes:
        job: its name.
        run_id: its MLflow run.
        fingerprint: changes with its configuration, its input files and the jobs it reads from.
        seconds: wall-clock time.
        rows: counts by name, as the job returned them.
        finished: time of its end, seconds since the epoch.
    """

    job: str
    run_id: str
    fingerprint: str
    seconds: float
    rows: dict[str, int]
    finished: float

    def row_text(self) -> str:
        """The counts on one line."""
        return ", ".join(f"{count:,} {name}" for name, count in self.rows.items())


def run_job(run: Run, config_type: type[JobConfig], argv: Sequence[str] | None = None) -> None:
    """Run one job as a program: --config FILE [--set KEY=VALUE ...] [--retry CLASS ...].

    Exits with 2 for a configuration that cannot be used, before Spark starts, and with 1
    for an input that cannot; both with a message and no stack trace.
    """
    parser = job_parser(config_type.name, config_type.__doc__ or "")
    if "retry" in config_type.model_fields:
        parser.add_argument(
            "--retry",
            action="append",
            default=[],
            choices=[reason.value for reason in Reason],
            metavar="CLASS",
            help=f"take photos refused for this reason again: {', '.join(Reason)}",
        )
    args = parser.parse_args(argv)
    with speaking_errors(config_type.name):
        overrides = list(args.set)
        if getattr(args, "retry", None):
            overrides.append(f"{config_type.name}.retry={json.dumps(args.retry)}")
        settings = load_settings(args.config, overrides, [config_type.name])
        if config_type.name not in settings.jobs:
            raise ConfigError(f"{args.config} has no table [{config_type.name}]: add it")
        config = settings.jobs[config_type.name]
        where = "" if is_managed() else f", log {log_path(config)}"
        print(f"{config.name}  started{where}", flush=True)  # noqa: T201
        with log_to(log_path(config)):
            spark = start_session(config.name, settings.spark)
            tracking.connect(config)
            record = execute(spark, run, config)
        print(f"{record.job}  {record.seconds:.1f} s  {record.row_text()}")  # noqa: T201


def job_parser(name: str, about: str) -> argparse.ArgumentParser:
    """A parser with the arguments that jobs and the pipeline share."""
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.toml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="JOB.KEY=VALUE, or a common KEY",
    )
    return parser


def log_path(config: JobConfig) -> Path:
    """Where the log of a run in this work folder goes."""
    return Path(config.work_dir) / "logs" / "spark.log"


def execute(spark: SparkSession, run: Run, config: JobConfig, parent_run_id: str = "") -> JobRecord:
    """Run a job inside an MLflow run of its own, and record that it finished."""
    started = time.monotonic()
    read_from = fingerprint(config)  # before the run: what changes meanwhile was not read
    path = _record_path(config.work_dir, config.name)
    path.unlink(missing_ok=True)  # a run that fails half-way leaves no record of an earlier one
    with tracking.job_run(config, parent_run_id) as run_id:
        rows = run(spark, config)
        seconds = time.monotonic() - started
        counts = {f"rows_{name.replace(' ', '_')}": float(n) for name, n in rows.items()}
        tracking.log_metrics({"seconds": seconds, **counts})
    record = JobRecord(config.name, run_id, read_from, seconds, rows, time.time())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    return record


def read_record(work_dir: str, job: str) -> JobRecord | None:
    """What the job's last finished run left; None if it never finished in this work folder."""
    path = _record_path(work_dir, job)
    return JobRecord(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def fingerprint(config: JobConfig) -> str:
    """A digest of what a job's result depends on: configuration, input files, earlier jobs."""
    upstream = {job: read_record(config.work_dir, job) for job in config.needs}
    parts = {
        "version": __version__,
        "config": config.model_dump(mode="json", exclude={"work_dir", "tracking_uri"}),
        "inputs": [_stat(path) for paths in config.input_files().values() for path in paths],
        "upstream": {job: record and record.run_id for job, record in upstream.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _record_path(work_dir: str, job: str) -> Path:
    return Path(work_dir) / "runs" / f"{job}.json"


def _stat(path: str) -> tuple[str, int, int, float]:
    """A path with the number, bytes and newest change of its files; a folder's with all below.

    A folder of more than MOST_FILES counts as changed each time: looking at all of its files would
    take the driver longer than the job that compares them with its tables.
    """
    root = Path(split_glob(path)[0] if not Path(path).exists() else path)
    below = (p for p in root.rglob("*") if p.is_file()) if root.is_dir() else iter([root])
    files = list(islice(below, MOST_FILES + 1))
    if len(files) > MOST_FILES:
        return path, len(files), 0, time.time()
    found = [p.stat() for p in files if p.exists()]
    newest = max((status.st_mtime for status in found), default=0.0)
    return path, len(found), sum(status.st_size for status in found), newest


class speaking_errors:
    """End the program with a message for the user's own mistakes; let other errors through."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        if error is None or not isinstance(error, Exception):
            return
        own = find_input_error(error)
        if own is not None:
            stop(self.name, own)


def stop(name: str, error: InputError) -> NoReturn:
    """Print the message and leave with the status of its kind."""
    print(f"{name}: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED)


def find_input_error(error: BaseException) -> InputError | None:
    """The user's own mistake behind an error, also where it was raised on a Spark worker.

    A worker's error comes to the driver as text; its last line names the class and the message.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, InputError):
            return seen
        if found := WORKER_ERROR.search(str(seen)):
            return InputError(found.group(1))
        seen = seen.__cause__ or seen.__context__
    return None
