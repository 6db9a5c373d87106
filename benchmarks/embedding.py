"""What the benchmarks of embed_photos share: photos, models, and a run of the job."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from pyspark.sql import SparkSession

from devise_lib import tracking
from devise_lib.config_photos import EmbedPhotos, IngestPhotos
from devise_lib.numerics.linear import Affine, Projection
from devise_lib.training.model import assemble
from devise_lib.vision.backbones import Backbone
from devise_lib.vision.networks import make_network
from jobs import embed_photos, ingest_photos

SIZE = 224


def write_photos(folder: Path, number: int, width: int, height: int) -> None:
    """JPEGs of smooth noise, which compress about as photos do; no two are the same."""
    for i in range(number):
        rng = np.random.default_rng(i)
        small = rng.integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
        picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 6, (height, width, 3))
        pixels = (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)
        path = folder / f"{i % 20:02}" / f"{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
        path.write_bytes(buffer.getvalue())


def mobilenet() -> keras.Model:
    """The whole model of conf/real.toml, with random weights: MobileNet 0.75 and 100 numbers."""
    keras.utils.set_random_seed(0)
    network = make_network("mobilenet_0.75_224", 1000, SIZE)
    backbone = Backbone("mobilenet_0.75_224", network, [str(i) for i in range(1000)], SIZE)
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((100, 768)).astype(np.float32)
    return assemble(backbone, Projection((Affine(matrix, np.zeros(100, np.float32)),)))


def null_model() -> keras.Model:
    """Takes a photo's mean colour: what is left is reading, decoding and writing."""
    inputs = keras.Input((SIZE, SIZE, 3))
    mean = keras.layers.AveragePooling2D(SIZE)(inputs)
    return keras.Model(inputs, keras.layers.UnitNormalization()(keras.layers.Flatten()(mean)))


@contextmanager
def work_folder(model: keras.Model) -> Iterator[str]:
    """A work folder whose registry has the model as its champion."""
    with tempfile.TemporaryDirectory(prefix="devise-bench-") as folder:
        config = EmbedPhotos(work_dir=folder)
        tracking.connect(config)
        with tracking.job_run(config):
            example = np.zeros((1, SIZE, SIZE, 3), np.float32)
            named = tracking.register_keras(model, "devise", example, ["keras"], lambda _: None, {})
        tracking.promote(named)
        yield folder


def ingest(spark: SparkSession, work_dir: str, photos: Path, **settings: object) -> None:
    """Photos into PHOTOS."""
    source = [{"path": str(photos), "name": "bench"}]
    config = IngestPhotos(work_dir=work_dir, source=source, **settings)
    with tracking.job_run(config):
        ingest_photos.run(spark, config)


def embed(spark: SparkSession, work_dir: str, settings: Sequence[tuple[str, object]] = ()) -> dict:
    """The metrics that a run of the job leaves."""
    config = EmbedPhotos(work_dir=work_dir, progress_s=1e6, **dict(settings))
    with tracking.job_run(config) as run_id:
        embed_photos.run(spark, config)
    return dict(tracking.MlflowClient().get_run(run_id).data.metrics)
