"""The record of a finished job, and whether its result would still be the same."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from devise_lib import __version__
from devise_lib.config.types import JobConfig
from devise_lib.errors import InputError
from devise_lib.paths import is_remote, local, split_glob
from devise_lib.storage.copies import state_folder
from devise_lib.storage.stores import store_files

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


@dataclass(frozen=True)
class InputState:
    """What shows whether an input has changed.

    Attributes:
        path: of the input, or the name of a table, as the configuration has it.
        files, size: the number and the bytes of its files.
        newest: the time of the newest change, seconds since 1970.
        etags: a digest of the paths and etags of files of a store; "" for local files.
        version: of a table of the catalog, and its id; "" for files.
        unknown: why the input counts as changed; "" where it can be compared.
    """

    path: str
    files: int = 0
    size: int = 0
    newest: float = 0.0
    etags: str = ""
    version: str = ""
    unknown: str = ""


def write_record(work_dir: str, record: JobRecord) -> None:
    """Writes the record for `read_record`."""
    text = json.dumps(asdict(record), indent=1)
    store_files().write(_record_path(work_dir, record.job), text.encode())


def forget_record(work_dir: str, job: str) -> None:
    """Deletes the record of an earlier run, so that a run that fails leaves none."""
    store_files().remove(_record_path(work_dir, job))


def log_path(config: JobConfig) -> Path:
    """Returns the local path of the log of a run in this work folder."""
    return state_folder(config.work_dir) / "logs" / "spark.log"


def read_record(work_dir: str, job: str) -> JobRecord | None:
    """Returns the record of the job's last finished run; None if there is none in this work folder.

    A record that is damaged, or of a version with other fields, counts as none, so the job runs
    again.
    """
    content = store_files().read(_record_path(work_dir, job))
    if content is None:
        return None
    try:
        found = json.loads(content)
        return JobRecord(**{"result_of": found["run_id"], **found})  # an older one has no such key
    except (ValueError, TypeError, KeyError):
        return None


def read_inputs(config: JobConfig, table_state: Callable[[str], InputState]) -> list[InputState]:
    """Returns the state of every input of a job.

    Args:
        config: of the job.
        table_state: returns that of a table of the catalog, by its name.
    """
    files = [path for paths in config.input_files().values() for path in paths]
    return [*map(file_state, files), *map(table_state, config.input_tables())]


def file_state(path: str) -> InputState:
    """Returns the state of a file, of all files below a folder, or of those that match a pattern.

    More than MOST_FILES are not compared: to ask for all of them would take the driver longer than
    the job that compares them with its tables.
    """
    here = path if is_remote(path) else str(local(path))
    files = store_files()
    try:
        found = files.status(here)
        if found is None and split_glob(here)[1]:
            found = files.status(split_glob(here)[0])
        if found is None:
            return InputState(path)
        below = files.below(found.path) if found.is_folder else iter([found])
        statuses = list(islice(below, MOST_FILES + 1))
    except (InputError, OSError) as error:
        return InputState(path, unknown=str(error))
    if len(statuses) > MOST_FILES:
        return InputState(path, unknown=f"it has more than {MOST_FILES:,} files")
    start = len(found.path)  # because s3: and s3a: name the same
    tags = sorted(f"{status.path[start:]} {status.etag}" for status in statuses if status.etag)
    return InputState(
        path,
        len(statuses),
        sum(status.size for status in statuses),
        max((status.modified_s for status in statuses), default=0.0),
        hashlib.sha256("\n".join(tags).encode()).hexdigest() if tags else "",
    )


def fingerprint(config: JobConfig, inputs: Sequence[InputState]) -> str:
    """Returns a digest of all that a job's result depends on: configuration, inputs, earlier jobs.

    It differs each time if an input cannot be compared.

    Args:
        config: of the job.
        inputs: of `read_inputs`.
    """
    upstream = {job: read_record(config.work_dir, job) for job in config.needs}
    parts = {
        "version": __version__,
        "config": config.model_dump(mode="json", exclude={"work_dir", "tracking_uri"}),
        "inputs": [asdict(state) for state in inputs],
        "unknown": time.time() if any(state.unknown for state in inputs) else 0.0,
        "upstream": {job: record and record.result_of for job, record in upstream.items()},
    }
    text = re.sub(r'"s3[an]://', '"s3://', json.dumps(parts, sort_keys=True))  # They name the same.
    return hashlib.sha256(text.encode()).hexdigest()


def _record_path(work_dir: str, job: str) -> str:
    return f"{work_dir.rstrip('/')}/runs/{job}.json"
