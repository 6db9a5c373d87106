"""The files of registered models in MLflow's store, which are written once and fetched by jobs."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from devise_lib.archive_kinds import is_keras_file
from devise_lib.errors import InputError
from devise_lib.tracking import RegisteredModel, current_run_id, registered

import mlflow  # isort: skip  # after `tracking`, which switches its telemetry off
from mlflow.exceptions import MlflowException  # isort: skip
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode  # isort: skip

T = TypeVar("T")

MODEL_FOLDER = "model"
EXTRAS_FOLDER = "projection"
GRAPH_FILE = "model.pb"


class UnusableModelError(InputError):
    """The files of a registered model are gone, damaged, or of another version."""


def register_keras(
    model: Any,
    name: str,
    input_example: Any,
    requirements: list[str],
    write_extras: Callable[[Path], None],
    tags: Mapping[str, str],
) -> RegisteredModel:
    """Logs a Keras model to the open run, and registers it once all of its files are stored.

    Args:
        model: a built Keras model.
        name: of the registered model.
        input_example: a batch that the model takes; it determines the signature.
        requirements: pip requirements, because MLflow would need 20 s to find them.
        write_extras: writes further files into the folder that it is given; they are stored with
            the model.
        tags: of the version: what it was made from.
    """
    predicted = model.predict(input_example, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        write_extras(Path(folder))
        mlflow.log_artifacts(folder, EXTRAS_FOLDER)
    return _log_and_register(model, name, (input_example, predicted), requirements, tags)


def register_graph(
    module: Any,
    graph: bytes,
    name: str,
    input_example: Any,
    requirements: list[str],
    tags: Mapping[str, str],
) -> RegisteredModel:
    """Logs a module of TensorFlow to the open run with its frozen graph, and registers it.

    Args:
        module: maps a batch of photos to vectors.
        graph: the same as a frozen graph, which jobs run.
        name: of the registered model.
        input_example: a batch that the module takes; it determines the signature.
        requirements: pip requirements.
        tags: of the version: what it was made from.
    """
    example = input_example, module(input_example).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / GRAPH_FILE
        path.write_bytes(graph)
        return _log_and_register(module, name, example, requirements, tags, [str(path)])


def _log_and_register(
    model: Any,
    name: str,
    example: tuple[Any, Any],
    requirements: list[str],
    tags: Mapping[str, str],
    extra_files: list[str] | None = None,
) -> RegisteredModel:
    from mlflow.models import infer_signature  # these two import TensorFlow, so only here
    from mlflow.tensorflow import log_model

    with redirect_stdout(sys.stderr):  # MLflow shows a progress bar while it tries the example
        info = log_model(
            model,
            name=MODEL_FOLDER,
            signature=infer_signature(*example),
            input_example=example[0],
            pip_requirements=requirements,
            extra_files=extra_files,
        )
        # Last, and together with its tags, so that a run that is killed before registers nothing.
        found = mlflow.register_model(info.model_uri, name, tags=dict(tags))
    # The version's own answer may lack the run, which is the open one.
    return replace(registered(found), run_id=current_run_id())


def fetch_network(model: RegisteredModel) -> bytes:
    """Fetches the model's network, which maps pixels to unit embeddings.

    Returns:
        The bytes of a .keras file, or of a frozen graph if a SavedModel was registered.

    Raises:
        UnusableModelError: the store no longer has it.
        InputError: the store does not return it.
    """
    with _fetched(model, artifact_uri=_uri(model)) as folder:
        paths = [*folder.rglob("*.keras"), *folder.rglob(GRAPH_FILE)]
        if len(paths) != 1:
            raise _unusable(model, f"want one file of a network, found {len(paths)}")
        return paths[0].read_bytes()


def fetch_keras(model: RegisteredModel) -> bytes:
    """Fetches the model's network as the bytes of a .keras file.

    Raises:
        UnusableModelError: the store no longer has it.
        InputError: the store does not return it, or it is a SavedModel that was registered.
    """
    network = fetch_network(model)
    if not is_keras_file(network):
        raise InputError(f"{model.model_id} is a SavedModel that was registered: use that")
    return network


def fetch_dimension(model: RegisteredModel) -> int:
    """Returns the length of the model's embedding, by its registered signature.

    Raises:
        UnusableModelError: the store no longer has it.
        InputError: the store does not return it.
    """
    from mlflow.models import get_model_info

    try:
        signature = get_model_info(_uri(model)).signature
    except (MlflowException, OSError) as error:
        raise _not_fetched(model, error, artifact_uri=_uri(model)) from error
    return int(signature.outputs.inputs[0].shape[-1])


def fetch_extras(model: RegisteredModel, read: Callable[[Path], T]) -> T:
    """Fetches the files that were stored with the model, and returns what `read` makes of them.

    Args:
        model: the registered model.
        read: reads a folder; raises InputError if the files are missing, damaged, or of another
            version.

    Raises:
        UnusableModelError: the store no longer has the files, or `read` refuses them.
        InputError: the store does not return them, or the model was not trained here.
    """
    model.require_devise()
    with _fetched(model, run_id=model.run_id, artifact_path=EXTRAS_FOLDER) as folder:
        try:
            return read(folder)
        except InputError as error:
            raise _unusable(model, error) from error


def _uri(model: RegisteredModel) -> str:
    return f"models:/{model.name}/{model.version}"


@contextmanager
def _fetched(model: RegisteredModel, **where: str) -> Iterator[Path]:
    """Yields a copy of some of the model's files, which is deleted after the block."""
    with tempfile.TemporaryDirectory(prefix="devise-model-") as folder:
        try:
            path = Path(mlflow.artifacts.download_artifacts(dst_path=folder, **where))
        except (MlflowException, OSError) as error:
            raise _not_fetched(model, error, **where) from error
        yield path


def _not_fetched(model: RegisteredModel, error: Exception, **where: str) -> InputError:
    """Returns the error for files that the store does not return: they are gone, or it may be
    down.
    """
    try:
        are_gone = not mlflow.artifacts.list_artifacts(**where)
    except MlflowException as refusal:
        are_gone = refusal.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
    except OSError:
        are_gone = False
    if are_gone:
        return _unusable(model, error)
    return InputError(
        f"the store of models does not give the files of {model.model_id}; try again, or look at "
        f"the store ({error})"
    )


def _unusable(model: RegisteredModel, why: object) -> UnusableModelError:
    return UnusableModelError(
        f"the files of {model.model_id} cannot be used ({why}): bring them back to the store of "
        "models, or name another version by --set JOB.model=VERSION"
    )
