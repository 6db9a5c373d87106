"""Shared parts of the benchmarks of embed_photos: photos, models, and a run of the job."""

import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from pyspark.sql import SparkSession

from devise_lib import model_store, tracking
from devise_lib.config.photos import EmbedPhotos, IngestPhotos
from devise_lib.numerics.linear import Affine, Projection
from devise_lib.training.model import assemble
from devise_lib.vision.networks.backbones import Backbone
from devise_lib.vision.networks.build import make_network
from jobs import embed_photos, ingest_photos

SIZE = 224
DISTINCT = 500


def write_photos(folder: Path, number: int, width: int, height: int) -> None:
    """Writes JPEGs of smooth noise, which compress about as photos do.

    There are DISTINCT pictures, and a comment makes each file unique. This does not make decoding
    cheaper, but it does make writing cheaper.
    """
    pictures = [_jpeg(seed, width, height) for seed in range(min(DISTINCT, number))]
    for i in range(number):
        jpeg, comment = pictures[i % len(pictures)], str(i).encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        path = folder / f"{i % 20:02}" / f"{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg[:2] + segment + jpeg[2:])  # after its start marker


def _jpeg(seed: int, width: int, height: int) -> bytes:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 6, (height, width, 3))
    pixels = (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def mobilenet() -> keras.Model:
    """Returns the whole model of conf/real.toml with random weights: MobileNet 0.75 and 100
    numbers.
    """
    keras.utils.set_random_seed(0)
    network = make_network("mobilenet_0.75_224", 1000, SIZE)
    backbone = Backbone("mobilenet_0.75_224", network, [str(i) for i in range(1000)], SIZE)
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((100, 768)).astype(np.float32)
    return assemble(backbone, Projection((Affine(matrix, np.zeros(100, np.float32)),)))


def null_model() -> keras.Model:
    """Returns a model of a photo's mean colour, so that reading, decoding and writing remain."""
    inputs = keras.Input((SIZE, SIZE, 3))
    mean = keras.layers.AveragePooling2D(SIZE)(inputs)
    return keras.Model(inputs, keras.layers.UnitNormalization()(keras.layers.Flatten()(mean)))


@contextmanager
def work_folder(**models: keras.Model) -> Iterator[str]:
    """Yields a work folder whose registry has these models by their names, each a champion."""
    with tempfile.TemporaryDirectory(prefix="devise-bench-") as folder:
        config = EmbedPhotos(work_dir=folder)
        tracking.connect(config)
        example = np.zeros((1, SIZE, SIZE, 3), np.float32)
        for name, model in models.items():
            with tracking.job_run(config):
                named = model_store.register_keras(
                    model, name, example, ["keras"], lambda _: None, {}
                )
            tracking.promote(named)
        yield folder


def ingest(spark: SparkSession, work_dir: str, photos: Path, **settings: object) -> None:
    """Ingests photos into PHOTOS."""
    source = [{"path": str(photos), "name": "bench"}]
    config = IngestPhotos(work_dir=work_dir, source=source, **settings)
    with tracking.job_run(config):
        ingest_photos.run(spark, config)


def embed(spark: SparkSession, work_dir: str, model: str) -> dict[str, float]:
    """Runs the job with a registered model; returns its metrics and its `seconds`."""
    config = EmbedPhotos(work_dir=work_dir, model_name=model, progress_s=1e6)
    with tracking.job_run(config) as run_id:
        started = time.perf_counter()
        embed_photos.run(spark, config)
        seconds = time.perf_counter() - started
    metrics = tracking.MlflowClient().get_run(run_id).data.metrics
    return dict(metrics, seconds=seconds)
