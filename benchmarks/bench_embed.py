"""embed_photos against the bare network on decoded arrays, and against predict_batch_udf.

Rates are of the photos: imports, the loading of the network and the start of a job are left out on
both sides, commits are not.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType

from benchmarks.embedding import (
    SIZE,
    embed,
    ingest,
    mobilenet,
    null_model,
    work_folder,
    write_photos,
)
from benchmarks.rate import Rate
from devise_lib.spark.session import start_session
from devise_lib.vision.images import decode
from devise_lib.vision.inference import Network
from devise_lib.vision.keras_file import bytes_of_model

BATCH = 64
KINDS = ((500, 375, 4_000), (64, 64, 8_000))  # width, height, photos
BATCHES = 8  # the first of which is not counted
SETTINGS = [("batch_size", BATCH), ("files_per_batch", 1)]


def measure() -> list[Rate]:
    """Photos a second of both, on two cores."""
    spark = start_session("bench_embed", {"master": "local[2]", "driver.memory": "2g"})
    rates = []
    with tempfile.TemporaryDirectory(prefix="devise-photos-") as folder:
        for width, height, number in KINDS:
            photos = Path(folder) / f"{width}x{height}"
            write_photos(photos, number, width, height)
            kind = f"{number:,} JPEGs of {width}x{height}"
            rates += against_bare_loops(spark, photos, kind)
            rates.append(against_predict_batch_udf(spark, photos, kind))
    return rates


def against_bare_loops(spark: SparkSession, photos: Path, kind: str) -> list[Rate]:
    """MobileNet: the job, and loops over arrays in memory with a thread a core."""
    model = mobilenet()
    with work_folder(model) as work_dir:
        ingest(spark, work_dir, photos, file_bytes=bytes_of(photos) // BATCHES)
        ours = embed(spark, work_dir, SETTINGS)
    some = sorted(photos.rglob("*.jpg"))[:640]
    arrays = np.stack([decode(path.read_bytes(), SIZE) for path in some])
    call = tf.function(lambda x: model(tf.cast(x, tf.float32), training=False))
    keras_rate = rate_of(lambda x: call(tf.constant(x)).numpy(), arrays)
    frozen_rate = rate_of(Network(bytes_of_model(model), threads=2), arrays)
    stages = ", ".join(
        f"{stage} {ours[f'photos_per_s_{stage}']:,.0f}"
        for stage in ("read", "decode", "infer", "write")
    )
    quality = f"each stage alone: {stages}"
    what = f"embed_photos, MobileNet 0.75 at 224, {kind}"
    return [
        Rate(what, "photos/s", ours["photos_per_s"], rate, name, quality)
        for name, rate in (("the Keras model", keras_rate), ("our compiled graph", frozen_rate))
    ]


def bytes_of(photos: Path) -> int:
    return sum(path.stat().st_size for path in photos.rglob("*.jpg"))


def rate_of(network: Callable, arrays: np.ndarray) -> float:
    """Photos a second of the best of two passes; one before it is for the compiler."""
    network(arrays[:BATCH])
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        for start in range(0, len(arrays), BATCH):
            network(arrays[start : start + BATCH])
        seconds.append(time.perf_counter() - started)
    return len(arrays) / min(seconds)


def against_predict_batch_udf(spark: SparkSession, photos: Path, kind: str) -> Rate:
    """A network that costs nothing: reading, the same decode, and a Delta table, of both."""
    binary = spark.read.format("binaryFile").option("recursiveFileLookup", True)
    mean = predict_batch_udf(make_mean, return_type=ArrayType(FloatType()), batch_size=BATCH)

    def peer(folder: Path, table: str) -> float:
        started = time.perf_counter()
        means = binary.load(str(folder)).select("path", mean("content").alias("embedding"))
        means.write.format("delta").save(table)
        return time.perf_counter() - started

    with work_folder(null_model()) as work_dir:
        peer(photos / "00", f"{work_dir}/warm")  # the workers of both have their imports by then
        ingest(spark, work_dir, photos / "00")
        embed(spark, work_dir, SETTINGS)
        started = time.perf_counter()
        ingest(spark, work_dir, photos, file_bytes=bytes_of(photos) // BATCHES)
        ingested_s = time.perf_counter() - started
        ours = embed(spark, work_dir, SETTINGS)["photos_per_s"]
        seconds = peer(photos, f"{work_dir}/peer")
        rows = spark.read.format("delta").load(f"{work_dir}/peer").count()
    with_ingest = rows / (rows / ours + ingested_s)
    quality = f"{rows:,} rows each; ours with ingest_photos {with_ingest:,.0f}"
    what = f"embed_photos, null model, {kind}"
    return Rate(what, "photos/s", ours, rows / seconds, "predict_batch_udf", quality)


def make_mean() -> Callable[[np.ndarray], np.ndarray]:
    """The peer's function: decode and take the mean colour, a unit vector."""

    def predict(contents: np.ndarray) -> np.ndarray:
        pixels = np.stack([decode(bytes(content), SIZE) for content in contents])
        means = pixels.mean(axis=(1, 2), dtype=np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    return predict
