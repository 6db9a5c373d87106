"""Compares embed_photos with the bare network on decoded arrays, and with predict_batch_udf.

Against the loops, the job's rate is the one that it prints and uses for predictions: that of its
batches with their commits. Against predict_batch_udf, it is the rate of the whole run, with all
counts and the maintenance of the tables. The session has done all of it on a few photos before.
Imports, the loading of the network and Java's compilation are therefore excluded on both sides.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
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
from devise_lib.spark.platform.session import start_session
from devise_lib.vision.images.decode import decode
from devise_lib.vision.networks.inference import Network
from devise_lib.vision.networks.keras_file import bytes_of_model

BATCH = 64
PHOTOS = 8_000
KINDS = ((500, 375), (64, 64))  # width, height
NAME = "element_at(split(path, '/'), -1) AS name"  # of a file
Vectors = dict[str, NDArray[np.float32]]  # by the photo's file name
Loop = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def measure() -> list[Rate]:
    """Returns photos per second of the job and of its peers, on two cores."""
    models = {"mobilenet": mobilenet(), "null": null_model()}
    rates = []
    for width, height in KINDS:
        with (
            tempfile.TemporaryDirectory(prefix="devise-photos-") as photos,
            work_folder(**models) as few_dir,
            work_folder(**models) as work_dir,
        ):
            write_photos(Path(photos), PHOTOS, width, height)
            with session() as spark:
                ingest(spark, few_dir, Path(photos, "00"))
                started = time.perf_counter()
                ingest(spark, work_dir, Path(photos))
                ingest_s = time.perf_counter() - started
            # Another session, because its Python workers would take turns with those of ingest.
            with session() as spark:
                kind = f"{PHOTOS:,} JPEGs of {width}x{height}"
                embed(spark, few_dir, "mobilenet")
                rates += against_bare_loops(spark, work_dir, Path(photos), kind)
                embed(spark, few_dir, "null")
                predict(spark, Path(photos, "00"), f"{few_dir}/peer")
                rates.append(
                    against_predict_batch_udf(spark, work_dir, Path(photos), kind, ingest_s)
                )
    return rates


@contextmanager
def session() -> Iterator[SparkSession]:
    spark = start_session("bench_embed", {"master": "local[2]", "driver.memory": "2g"})
    yield spark
    spark.stop()


def against_bare_loops(spark: SparkSession, work_dir: str, photos: Path, kind: str) -> list[Rate]:
    """Measures MobileNet against loops over arrays in memory, on two threads of TensorFlow."""
    ours = embed(spark, work_dir, "mobilenet")
    model = mobilenet()
    paths = sorted(photos.rglob("*.jpg"))[: 10 * BATCH]
    vectors = vectors_of(spark, work_dir, "mobilenet", [path.name for path in paths])
    arrays = np.stack([decode(path.read_bytes(), SIZE) for path in paths])
    call = tf.function(lambda x: model(tf.cast(x, tf.float32), training=False))
    graph = Network(bytes_of_model(model), threads=2)
    loops: dict[str, Loop] = {
        "the Keras model": lambda x: call(tf.constant(x)).numpy(),
        "our compiled graph": lambda x: graph(x)[0],
    }
    rates = []
    for name, loop in loops.items():
        rate, rows = run_loop(loop, arrays)
        theirs = {path.name: row for path, row in zip(paths, rows, strict=True)}
        what = f"embed_photos, MobileNet 0.75 at 224, {kind}"
        quality = f"{stages(ours)}; {agreement(vectors, theirs)}"
        rates.append(Rate(what, "photos/s", ours["photos_per_s"], rate, name, quality))
    return rates


def against_predict_batch_udf(
    spark: SparkSession, work_dir: str, photos: Path, kind: str, ingest_s: float
) -> Rate:
    """Measures a network without cost, so that reading, decoding and a Delta table remain."""
    ours = embed(spark, work_dir, "null")
    started = time.perf_counter()
    peer = predict(spark, photos, f"{work_dir}/peer")
    peer_s = time.perf_counter() - started
    vectors = vectors_of(spark, work_dir, "null")
    theirs = {row["name"]: np.array(row["embedding"]) for row in peer.collect()}
    with_ingest = PHOTOS / (ours["seconds"] + ingest_s)
    quality = f"{stages(ours)}; with ingest_photos {with_ingest:,.0f}/s; " + agreement(
        vectors, theirs
    )
    what, rate = f"embed_photos, null model, {kind}", PHOTOS / ours["seconds"]
    return Rate(what, "photos/s", rate, PHOTOS / peer_s, "predict_batch_udf", quality)


def run_loop(loop: Loop, arrays: NDArray[np.uint8]) -> tuple[float, NDArray[np.float32]]:
    """Returns photos per second, the median of three passes after a warm-up pass, and the
    vectors.
    """
    loop(arrays[:BATCH])
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        rows = [loop(arrays[i : i + BATCH]) for i in range(0, len(arrays), BATCH)]
        seconds.append(time.perf_counter() - started)
    return len(arrays) / sorted(seconds)[1], np.concatenate(rows)


def predict(spark: SparkSession, photos: Path, table: str) -> DataFrame:
    """Runs the peer: binaryFile, predict_batch_udf and a Delta table; returns name and
    embedding.
    """
    files = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(str(photos))
    mean = predict_batch_udf(make_mean, return_type=ArrayType(FloatType()), batch_size=BATCH)
    means = files.select(F.expr(NAME), mean("content").alias("embedding"))
    means.write.format("delta").save(table)
    return spark.read.format("delta").load(table)


def make_mean() -> Loop:
    """Returns the peer's function, which decodes a photo and takes its mean colour as a unit
    vector.
    """

    def predict(contents: NDArray[np.object_]) -> NDArray[np.float32]:
        pixels = np.stack([decode(bytes(content), SIZE) for content in contents])
        means = pixels.mean(axis=(1, 2), dtype=np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    return predict


def vectors_of(
    spark: SparkSession, work_dir: str, model: str, names: list[str] | None = None
) -> Vectors:
    """Returns what the job wrote, for some photos or for all."""
    photos, embeddings = (
        spark.read.format("delta").load(f"{work_dir}/tables/{name}")
        for name in ("photos", "embeddings")
    )
    rows = embeddings.where(F.col("model_id").startswith(f"{model}-"))
    rows = rows.join(photos.selectExpr("photo_id", NAME), "photo_id")
    if names is not None:
        rows = rows.where(F.col("name").isin(names))
    return {row["name"]: np.array(row["embedding"]) for row in rows.collect()}


def agreement(ours: Vectors, theirs: Vectors) -> str:
    """Returns the largest difference between the vectors of the same photos, in words."""
    apart = max(np.abs(ours[name] - theirs[name]).max() for name in theirs)
    return f"{len(theirs):,} vectors the same within {apart:.0e}"


def stages(metrics: dict[str, float]) -> str:
    rates = (f"{s} {metrics[f'photos_per_s_{s}']:,.0f}" for s in ("read", "decode", "infer"))
    whole = f"the whole run {PHOTOS / metrics['seconds']:,.0f}/s"
    return f"each stage alone: {', '.join(rates)}/s; {whole}"
