"""What a finished job leaves behind, and whether its result would still be the same today."""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from devise_lib import __version__
from devise_lib.config.types import JobConfig
from devise_lib.paths import is_remote, local, replace_text, split_glob

MOST_FILES = 100_000  # of one input, that are looked at to tell whether it changed


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
        result_of: the run that last changed what the job leaves: this one, or an earlier one where
            this one found nothing to do.
    """

    job: str
    run_id: str
    fingerprint: str
    seconds: float
    rows: dict[str, int]
    finished: float
    result_of: str

    def row_text(self) -> str:
        """The counts on one line."""
        return ", ".join(f"{count:,} {name}" for name, count in self.rows.items())


def write_record(work_dir: str, record: JobRecord) -> None:
    """Leave the record where `read_record` finds it."""
    path = _record_path(work_dir, record.job)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(asdict(record), indent=1))


def forget_record(work_dir: str, job: str) -> None:
    """Remove the record of an earlier run: one that fails half-way must leave none."""
    _record_path(work_dir, job).unlink(missing_ok=True)


def log_path(config: JobConfig) -> Path:
    """Where the log of a run in this work folder goes."""
    return Path(config.work_dir) / "logs" / "spark.log"


def read_record(work_dir: str, job: str) -> JobRecord | None:
    """What the job's last finished run left; None if it never finished in this work folder.

    A record that is damaged, or of a version with other fields, counts as none: the job runs again.
    """
    try:
        found = json.loads(_record_path(work_dir, job).read_text(encoding="utf-8"))
        return JobRecord(**{"result_of": found["run_id"], **found})  # an older one has no such key
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def fingerprint(config: JobConfig) -> str:
    """A digest of what a job's result depends on: configuration, input files, earlier jobs."""
    upstream = {job: read_record(config.work_dir, job) for job in config.needs}
    parts = {
        "version": __version__,
        "config": config.model_dump(mode="json", exclude={"work_dir", "tracking_uri"}),
        "inputs": [_stat(path) for paths in config.input_files().values() for path in paths],
        "upstream": {job: record and record.result_of for job, record in upstream.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _record_path(work_dir: str, job: str) -> Path:
    return Path(work_dir) / "runs" / f"{job}.json"


def _stat(path: str) -> tuple[str, int, int, float]:
    """A path with the number, bytes and newest change of its files; a folder's with all below.

    A folder of more than MOST_FILES counts as changed each time: looking at all of its files would
    take the driver longer than the job that compares them with its tables. So does what lies on
    another file system, which only Spark can look at.
    """
    if is_remote(path):
        return path, 0, 0, time.time()
    here = str(local(path))
    root = Path(here if os.path.exists(here) else split_glob(here)[0])
    below = (p for p in root.rglob("*") if p.is_file()) if root.is_dir() else iter([root])
    files = list(islice(below, MOST_FILES + 1))
    if len(files) > MOST_FILES:
        return path, len(files), 0, time.time()
    found = [p.stat() for p in files if p.exists()]
    newest = max((status.st_mtime for status in found), default=0.0)
    return path, len(found), sum(status.st_size for status in found), newest
