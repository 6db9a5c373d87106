from pathlib import Path

import pytest

from devise_lib.config.photos import EmbedPhotos
from tests.embedding import mean_colour_network, register


@pytest.fixture(scope="session")
def keras_file() -> bytes:
    return mean_colour_network()


@pytest.fixture(scope="session")
def registry(keras_file, tmp_path_factory) -> Path:
    """A work folder in whose store a model is registered."""
    folder = tmp_path_factory.mktemp("registry")
    register(EmbedPhotos(work_dir=str(folder)), keras_file)
    return folder
