"""Measures what a core decodes, writes and sorts per second, to estimate 100 million photos.

python benchmarks/stages_embed.py

Decoding uses one thread, and decodes to the size that the networks take. Rows are those of
EMBEDDINGS with random vectors. The job's own steps write them on two cores at once, and then sort
and pack them. Prints lines for RESULTS.md; medians of three repeats.
"""

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.embedding import SIZE, write_photos
from devise_lib.config.photos import EmbedPhotos
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.spark.embed.stream import FILE_ROWS
from devise_lib.spark.platform.session import start_session
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.spark.tables.maintenance import FILE_BYTES
from devise_lib.spark.tables.schemas import EMBEDDINGS
from devise_lib.vision.images.decode import decode

KINDS = ((2000, 1500), (500, 375), (64, 64))  # width, height
PHOTOS, ROWS, NUMBERS, CORES, REPEATS = 100, 200_000, 300, 2, 3


def main() -> None:
    print("| stage | a core and second |\n|---|---|")
    for width, height in KINDS:
        print(f"| decode {width}x{height} to {SIZE} | {decoded_per_s(width, height):,.0f} photos |")
    for precision in ("float32", "float16"):
        write, pack, row_bytes = rows_per_s(precision)
        of = f"{NUMBERS} numbers, {precision}"
        print(f"| write rows of {of} ({row_bytes:,.0f} bytes each) | {write:,.0f} rows |")
        print(f"| sort and pack them | {pack:,.0f} rows |", flush=True)


def decoded_per_s(width: int, height: int) -> float:
    with tempfile.TemporaryDirectory(prefix="devise-photos-") as folder:
        write_photos(Path(folder), PHOTOS, width, height)
        contents = [path.read_bytes() for path in Path(folder).rglob("*.jpg")]

    def decode_all() -> None:
        for content in contents:
            decode(content, SIZE)

    return PHOTOS / statistics.median(seconds(decode_all) for _ in range(REPEATS))


def rows_per_s(precision: str) -> tuple[float, float, float]:
    """Returns the rows that a core writes and that it packs per second, and the bytes of a row."""
    spark = start_session("stages_embed", {"master": f"local[{CORES}]", "driver.memory": "2g"})
    writes, packs, sizes = [], [], []
    with tempfile.TemporaryDirectory(prefix="devise-bench-") as folder:
        random_rows(spark.range(ROWS), precision).write.parquet(f"{folder}/rows")
        rows = spark.read.schema(EMBEDDINGS).parquet(f"{folder}/rows")
        for repeat in range(REPEATS + 1):  # the first one is for Java's compiler
            tables = Tables.of(spark, EmbedPhotos(work_dir=f"{folder}/{repeat}"))
            tables.create_if_missing("embeddings")
            files = rows.coalesce(math.ceil(ROWS / FILE_ROWS))
            writes.append(seconds(tables.append, "embeddings", files))
            sizes.append(tables.detail("embeddings")["sizeInBytes"] / ROWS)
            packs.append(seconds(tables.pack, "embeddings", FILE_BYTES))
    spark.stop()
    write, pack = (ROWS / CORES / statistics.median(each[1:]) for each in (writes, packs))
    return write, pack, sizes[-1]


def random_rows(ids: DataFrame, precision: str) -> DataFrame:
    """Returns rows of EMBEDDINGS of one model, their ids in no order."""

    def with_vectors(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            vectors = np.random.default_rng(batch.column(0)[0].as_py()).standard_normal(
                (batch.num_rows, NUMBERS)
            )
            values = l2_normalize(vectors).astype(precision)
            offsets = np.arange(batch.num_rows + 1, dtype=np.int32) * NUMBERS
            lists = pa.ListArray.from_arrays(offsets, values.ravel().astype(np.float32))
            yield pa.RecordBatch.from_arrays([*batch.columns, lists], names=["id", "embedding"])

    made = ids.mapInArrow(with_vectors, "id long, embedding array<float>")
    digest = F.sha2(F.col("id").cast("string"), 256)
    known = {"photo_id": digest, "sha256": digest, "model_id": F.lit("devise-v1")}
    made = made.withColumns(known).drop("id")
    return made.sparkSession.createDataFrame([], EMBEDDINGS).unionByName(made, True)


def seconds(step: Callable[..., object], *values: object) -> float:
    started = time.perf_counter()
    step(*values)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
