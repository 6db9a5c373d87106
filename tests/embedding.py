"""What the tests of embed_photos share: a network that is easily checked, photos, and a model."""

import hashlib
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from devise_lib import model_store, tracking
from devise_lib.config.photos import EmbedPhotos
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.schemas import PHOTOS
from devise_lib.training.model import PROJECTION
from devise_lib.vision.networks.keras_file import bytes_of_model, model_of_bytes
from jobs import embed_photos
from tests.rows import read_rows, row_of

SIZE = 16
MATRIX = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)


def picture(level: int, side: int = 20) -> bytes:
    """A PNG of one colour, another for each level."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, 18), (level, 255 - level, level // 3)).save(buffer, "PNG")
    return buffer.getvalue()


def mean_colour_network() -> bytes:
    """A Keras file: the unit vector of the mean colour times MATRIX; the colour is its feature."""
    inputs = keras.Input((SIZE, SIZE, 3))
    dense = keras.layers.Dense(4, use_bias=False, name=PROJECTION)
    outputs = dense(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, keras.layers.UnitNormalization()(outputs))
    dense.set_weights([MATRIX])
    return bytes_of_model(model)


def register(config: EmbedPhotos, keras_file: bytes) -> tracking.RegisteredModel:
    """A model in the registry of the work folder, the champion."""
    tracking.connect(config)
    model, example = model_of_bytes(keras_file), np.zeros((1, SIZE, SIZE, 3), np.float32)
    with tracking.job_run(config):
        named = model_store.register_keras(model, "devise", example, ["keras"], lambda _: None, {})
    tracking.promote(named)
    return named


def with_registry(config: EmbedPhotos, registry: Path) -> EmbedPhotos:
    """The same, its work folder having a copy of another one's store: `register` takes seconds.

    The model's file stays where it is.
    """
    Path(config.work_dir).mkdir(parents=True, exist_ok=True)
    shutil.copy(registry / "mlflow.db", config.work_dir)
    tracking.connect(config)
    return config


def copy_of(config: EmbedPhotos, folder: Path) -> EmbedPhotos:
    """The same in a copy of its work folder, store included: what was done in it is done there.

    Photos that stay at their paths are not copied.
    """
    work_dir = str(shutil.copytree(config.work_dir, folder))
    copied = config.model_copy(update={"work_dir": work_dir})
    tracking.connect(copied)
    return copied


def run(spark, config: EmbedPhotos, **changes) -> dict[str, int]:
    """The job as a program runs it, in an MLflow run of its own."""
    with tracking.job_run(config):
        return embed_photos.run(spark, config.model_copy(update=changes))


@contextmanager
def pretended_model(model_id: str, keras_file: bytes, dimension: int) -> Iterator[SimpleNamespace]:
    """A model that the job finds without a registry; its id may be changed."""
    model = SimpleNamespace(model_id=model_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "find_registered", lambda *_: model)
        patch.setattr(model_store, "fetch_network", lambda _: keras_file)
        patch.setattr(model_store, "fetch_dimension", lambda _: dimension)
        for name in ("log_params", "log_metrics"):
            patch.setattr(tracking, name, lambda _: None)
        yield model


def photo_row(photo_id: str, content: bytes | None, **values) -> tuple:
    """A row of PHOTOS, as ingest_photos would have written it."""
    content_bytes = content or b""
    given = {
        "photo_id": photo_id,
        "photo_set": "set",
        "path": f"/{photo_id}.png",
        "label": "cat",
        "size_bytes": len(content_bytes),
        "sha256": hashlib.sha256(content_bytes).hexdigest(),
        "revision": 1,
        "content": content,
    }
    return row_of(PHOTOS, **(given | values))


def add_rows(spark, config, rows: Sequence[tuple], files: int = 1) -> None:
    """One commit of PHOTOS more, of so many files, each with as many of the rows."""
    df = spark.createDataFrame(rows, PHOTOS)
    df = df.repartitionByRange(files, "photo_id") if files > 1 else df.coalesce(1)
    Tables.of(spark, config).append("photos", df)


def add_photos(spark, config, contents: Mapping[str, bytes], files: int = 1) -> None:
    """One commit of PHOTOS more, with these photos in it."""
    rows = [photo_row(name, content) for name, content in contents.items()]
    add_rows(spark, config, rows, files)


def rows_at_paths(folder: Path, contents: Mapping[str, bytes]) -> list[tuple]:
    """Rows of photos that stay at their paths, in a folder, to which they are written."""
    rows = []
    for name, content in contents.items():
        path = folder / f"{name}.png"
        path.write_bytes(content)
        rows.append((*photo_row(name, content, path=str(path))[:-1], None))
    return rows


def add_paths(spark, config, folder: Path, contents: Mapping[str, bytes], files: int = 1) -> None:
    """One commit of PHOTOS more, with photos that stay at their paths, in a folder."""
    add_rows(spark, config, rows_at_paths(folder, contents), files)


def results(config, name: str, model_id: str) -> list[dict]:
    """Rows of EMBEDDINGS or QUARANTINE of a model, by photo_id."""
    rows = [row for row in read_rows(config.work_dir, name) if row["model_id"] == model_id]
    return sorted(rows, key=lambda row: row["photo_id"])
