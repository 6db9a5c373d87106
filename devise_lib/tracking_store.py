"""Where MLflow's store and artifacts lie if none are named, and how MLflow reaches them."""

import json
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from devise_lib.errors import InputError
from devise_lib.paths import absolute, is_remote
from devise_lib.storage.copies import state_folder
from devise_lib.storage.settings import one_scheme, s3_encryption, s3_endpoint, s3_setting
from devise_lib.storage.stores import store_files


def store_in(work_dir: str) -> str:
    """Returns the address of the SQLite file of a work folder, which is MLflow's default store.

    It lies in the work folder or, because SQLite needs a disk, in the `state_folder` of one on a
    store.

    In an address a `?` begins options and a `%` begins a code, so these characters are encoded.
    Such an address must name the driver, too, because without it MLflow makes a folder with the
    encoded name.
    """
    path = str(state_folder(work_dir).absolute() / "mlflow.db")
    if "?" in path or "%" in path:
        return f"sqlite+pysqlite:///{quote(path)}"
    return f"sqlite:///{path}"


def artifacts_in(work_dir: str) -> str:
    """Returns the address of the artifacts in a work folder, in the scheme that MLflow knows."""
    folder = f"{absolute(work_dir)}/mlartifacts"
    return one_scheme(folder) if is_remote(folder) else Path(folder).as_uri()


def reach_store(work_dir: str) -> None:
    """Lets MLflow reach artifacts on S3 with the session's settings, unless others are given.

    Keys go to boto3 itself and into no variable, because the environment is passed on to ranks.
    """
    place = urlsplit(work_dir)
    if not place.scheme.startswith("s3"):
        return
    try:
        import boto3
    except ImportError as error:
        raise InputError(
            f"MLflow cannot store artifacts in {work_dir} ({error}): install devise-spark[s3]"
        ) from error
    settings = store_files().settings

    def setting(name: str) -> str:
        return s3_setting(place.netloc, settings, name)

    if endpoint := s3_endpoint(place.netloc, settings):
        os.environ.setdefault("MLFLOW_S3_ENDPOINT_URL", endpoint)
    if setting("path.style.access").lower() == "true":
        os.environ.setdefault("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "path")
    if encryption := s3_encryption(place.netloc, settings):
        os.environ.setdefault("MLFLOW_S3_UPLOAD_EXTRA_ARGS", json.dumps(encryption))
    session = {
        "region_name": setting("endpoint.region"),
        "aws_access_key_id": setting("access.key"),
        "aws_secret_access_key": setting("secret.key"),
        "aws_session_token": setting("session.token"),
    }
    boto3.setup_default_session(**{name: value for name, value in session.items() if value})
