"""MLflow: one run per job, registered models by name and version, and the champion."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # jobs send no telemetry

import mlflow
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from devise_lib.config.types import JobConfig
from devise_lib.errors import InputError
from devise_lib.storage.copies import state_folder
from devise_lib.tracking_store import artifacts_in, reach_store, store_in

EXPERIMENT = "devise"
PLOTS_FOLDER = "plots"
TABLES_FOLDER = "tables"
CHAMPION = "champion"
REGISTERED_BY, WORDS_ID = "registered_by", "words_id"  # tags of versions
REGISTER_MODEL = "register_model"  # the job that registers models which were made elsewhere
POINTS_AT_ONCE = 1_000  # the limit of MLflow per request
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such model, no such alias


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a model in the registry.

    Attributes:
        name, version: as in the registry.
        run_id: the run that trained or registered it.
        words_id: of the words that have a place in its space; "" if none have.
        is_devise: whether it was trained here; otherwise register_model has registered it.
    """

    name: str
    version: str
    run_id: str
    words_id: str = ""
    is_devise: bool = True

    @property
    def model_id(self) -> str:
        """The id of the model in rows and bundles, such as "devise-v3-1b9f0c".

        It includes the first digits of the run, so that version 3 of another registry has another
        id.
        """
        return f"{self.name}-v{self.version}-{self.run_id[:6]}"

    def require_devise(self) -> None:
        """Raises InputError if the model was not trained here."""
        if not self.is_devise:
            raise InputError(
                f"{self.model_id} was registered by {REGISTER_MODEL}, so this job has no use for "
                "it: name a model of train_devise by --set JOB.model_name=NAME"
            )


def registered(version: ModelVersion) -> RegisteredModel:
    """Returns MLflow's entry of a version as ours."""
    tags = version.tags
    return RegisteredModel(
        version.name,
        str(version.version),
        str(version.run_id),
        tags.get(WORDS_ID, ""),
        tags.get(REGISTERED_BY) != REGISTER_MODEL,
    )


def connect(config: JobConfig) -> None:
    """Connects MLflow to the configured store, by default an SQLite file (`store_in`).

    Beside such a file the artifacts lie in the work folder.

    Raises:
        InputError: the store does not answer.
    """
    for name in ("mlflow", "alembic"):  # they log every table of a new store
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = config.tracking_uri or store_in(config.work_dir)
    state_folder(config.work_dir).mkdir(parents=True, exist_ok=True)
    if not config.tracking_uri:
        reach_store(config.work_dir)
    mlflow.set_tracking_uri(uri)
    try:
        client = MlflowClient()
        if client.get_experiment_by_name(EXPERIMENT) is None:
            root = None if config.tracking_uri else artifacts_in(config.work_dir)
            client.create_experiment(EXPERIMENT, root)
        mlflow.set_experiment(EXPERIMENT)
    except Exception as error:  # any error of the store: a missing driver, an unknown host
        place = config.tracking_uri.split("@")[-1] or uri  # a password may precede it
        said = str(error).replace(uri, place)
        raise InputError(f"MLflow at tracking_uri {place!r} does not answer: {said}") from error


@contextmanager
def job_run(config: JobConfig, parent_run_id: str = "") -> Iterator[str]:
    """Opens a run named after the job, with its configuration; the run fails if the block raises.

    The tracking URI is left out because it may hold a password.
    """
    tags = {"mlflow.parentRunId": parent_run_id} if parent_run_id else {}
    with mlflow.start_run(run_name=config.name, tags=tags) as run:
        values = config.model_dump(mode="json", exclude={"label_sets", "tracking_uri"})
        mlflow.log_params({key: str(value)[:6000] for key, value in values.items()})
        yield run.info.run_id


@contextmanager
def child_run(name: str) -> Iterator[None]:
    """Opens a run below the open one, to which everything in the block is logged."""
    with mlflow.start_run(run_name=name, nested=True):
        yield


@contextmanager
def pipeline_run(config_path: Path) -> Iterator[str]:
    """Opens a run in which the jobs of one pipeline call are nested; it fails if the block raises.

    The block gets its id, and opens a run for each job.
    """
    tags = {"config": str(config_path)}
    run_id: str = mlflow.start_run(run_name="pipeline", tags=tags).info.run_id
    mlflow.end_run("RUNNING")  # it continues in the store, but is not the open run here
    status = "FAILED"
    try:
        yield run_id
        status = "FINISHED"
    finally:
        MlflowClient().set_terminated(run_id, status)


def current_run_id() -> str:
    """Returns the id of the open run; "" without one, as in a test of a single function."""
    run = mlflow.active_run()
    return run.info.run_id if run else ""


def log_params(values: Mapping[str, object]) -> None:
    """Adds parameters to the open run."""
    mlflow.log_params(dict(values))


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Adds metrics to the open run; with a step, they are points of a curve."""
    mlflow.log_metrics(dict(values), step=step)


def log_curve(name: str, values: Sequence[float], first: int) -> None:
    """Adds values per epoch to the open run.

    Args:
        name: of the metric.
        values: one per epoch.
        first: the number of the first epoch; 0 if the first value is that of the start.
    """
    now_ms = int(time.time() * 1000)
    points = [Metric(name, float(value), now_ms, n) for n, value in enumerate(values, first)]
    run = mlflow.active_run() or mlflow.start_run()
    for start in range(0, len(points), POINTS_AT_ONCE):  # singly, each would be a commit
        batch = points[start : start + POINTS_AT_ONCE]
        MlflowClient().log_batch(run.info.run_id, metrics=batch)


def log_page(html: str) -> None:
    """Stores the page of a report with the open run."""
    mlflow.log_text(html, "index.html")


def log_text(name: str, text: str) -> None:
    """Stores a text file with the open run.

    Args:
        name: of the file, with its folder.
        text: its content.
    """
    mlflow.log_text(text, name)


def log_table(name: str, columns: Mapping[str, Sequence[object]]) -> None:
    """Stores a table with the open run, which MLflow's pages show and compare."""
    mlflow.log_table(dict(columns), f"{TABLES_FOLDER}/{name}")


def log_plots(plots: Mapping[str, bytes]) -> None:
    """Stores plots with the open run, in their own folder.

    Args:
        plots: SVG by file name.
    """
    for name, svg in plots.items():
        mlflow.log_text(svg.decode(), f"{PLOTS_FOLDER}/{name}")


def fetch_plots(run_id: str) -> dict[str, bytes]:
    """Returns the plots of a run by file name; none if the run has none or does not exist."""
    try:
        found = MlflowClient().list_artifacts(run_id, PLOTS_FOLDER)
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return {}
        raise
    texts = {file.path: mlflow.artifacts.load_text(f"runs:/{run_id}/{file.path}") for file in found}
    return {path.removeprefix(f"{PLOTS_FOLDER}/"): text.encode() for path, text in texts.items()}


def promote(model: RegisteredModel) -> None:
    """Makes a model the champion, which jobs use by default."""
    MlflowClient().set_registered_model_alias(model.name, CHAMPION, model.version)


def find_champion(name: str) -> RegisteredModel | None:
    """Returns the champion of a registered model; None if there is none yet."""
    try:
        found = MlflowClient().get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        raise
    return registered(found)


def versions_of(name: str) -> list[ModelVersion]:
    """Returns MLflow's entries of all versions of a registered model."""
    return list(MlflowClient().search_model_versions(f"name = '{name}'"))


def find_registered(name: str, alias_or_version: str) -> RegisteredModel:
    """Returns the registry's entry of a model; fetches none of its files.

    Args:
        name: of the registered model.
        alias_or_version: such as "champion" or "3".

    Raises:
        InputError: the registry has no such model.
    """
    client = MlflowClient()
    try:
        if alias_or_version.isdigit():
            found = client.get_model_version(name, alias_or_version)
        else:
            found = client.get_model_version_by_alias(name, alias_or_version)
    except MlflowException as error:
        raise InputError(
            f"the registry has no model {name!r} with alias or version {alias_or_version!r}: run "
            f"train_devise first, or name another ({error})"
        ) from error
    return registered(found)
