"""The record of a finished job, and whether its result would still be the same."""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from devise_lib import __version__
from devise_lib.config.types import JobConfig
from devise_lib.paths import is_remote, local, split_glob, write_text_atomically

MOST_FILES = 100_000  # per input that are checked for changes


@dataclass(frozen=True)
class JobRecord:
    """The record of a finished job in `{work_dir}/runs/JOB.json`.

    Attributes:
        job: its name.
        run_id: its MLflow run.
        fingerprint: changes with its configuration, its input files and the jobs that it reads
            from.
        seconds: wall-clock time.
        rows: counts by name, as the job returned them.
        finished: the time of its end, seconds since the epoch.
        result_of: the run that last changed the job's result: this one, or an earlier one if this
            one found nothing to do.
    """

    job: str
    run_id: str
    fingerprint: str
    seconds: float
    rows: dict[str, int]
    finished: float
    result_of: str

    def row_text(self) -> str:
        """Returns the counts on one line."""
        return ", ".join(f"{count:,} {name}" for name, count in self.rows.items())


def write_record(work_dir: str, record: JobRecord) -> None:
    """Writes the record for `read_record`."""
    path = _record_path(work_dir, record.job)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(asdict(record), indent=1))


def forget_record(work_dir: str, job: str) -> None:
    """Deletes the record of an earlier run, so that a run that fails leaves none."""
    _record_path(work_dir, job).unlink(missing_ok=True)


def log_path(config: JobConfig) -> Path:
    """Returns the path of the log of a run in this work folder."""
    return Path(config.work_dir) / "logs" / "spark.log"


def read_record(work_dir: str, job: str) -> JobRecord | None:
    """Returns the record of the job's last finished run; None if there is none in this work folder.

    A record that is damaged, or of a version with other fields, counts as none, so the job runs
    again.
    """
    try:
        found = json.loads(_record_path(work_dir, job).read_text(encoding="utf-8"))
        return JobRecord(**{"result_of": found["run_id"], **found})  # an older one has no such key
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def fingerprint(config: JobConfig) -> str:
    """Returns a digest of all that a job's result depends on: configuration, input files, earlier
    jobs.
    """
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
    """Returns a path with the number, bytes and newest change of its files, or of all below a
    folder.

    A folder of more than MOST_FILES counts as changed each time. To check all of its files would
    take the driver longer than the job that compares them with its tables. Files on a remote file
    system count as changed, too, because only Spark can read it.
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
