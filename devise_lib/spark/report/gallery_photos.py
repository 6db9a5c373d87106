"""Finds the photos of the report on the executors; the driver gets only those that are shown."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, IntegerType, StringType, StructField, StructType

from devise_lib.numerics.retrieval import merge_top_k, top_k
from devise_lib.numerics.vectors import l2_normalize
from devise_lib.report.content import Photo
from devise_lib.report.pictures import THUMBNAIL_SIDE, encode_jpeg
from devise_lib.spark.photos.contents import collect_pictures, photos_of
from devise_lib.spark.tables.vector_columns import to_matrix
from devise_lib.vision.images.decode import Refusal, decode

Batches = Iterator[pa.RecordBatch]
FOUND = StructType(
    [
        StructField("query", IntegerType()),
        StructField("id", StringType()),
        StructField("score", FloatType()),
    ]
)


def with_truth(photos: DataFrame, names: DataFrame) -> DataFrame:
    """Return photos with truth, truth_term and truth_seen of their label; null if LABELS lacks it.

    Args:
        photos: with label.
        names: name, label, term, seen, for every name of a label.
    """
    known = names.select(
        F.col("name").alias("label"),
        F.col("label").alias("truth"),
        F.col("term").alias("truth_term"),
        F.col("seen").alias("truth_seen"),
    )
    return photos.join(F.broadcast(known), "label", "left")


def nearest(rows: DataFrame, queries: NDArray[np.float32], n: int) -> list[list[tuple[str, float]]]:
    """Return for each query the n rows with the greatest cosine, as (id, cosine).

    The table is read once: each task finds n rows per query, and only these are merged.

    Args:
        rows: an id and a vector of d_word numbers, as the first and the second column.
        queries: (q, d_word), unit L2 norm.
        n: rows per query.
    """
    best_of_tasks = rows.mapInArrow(_make_search(queries, n), FOUND)
    place = Window.partitionBy("query").orderBy(F.desc("score"), "id")
    best = best_of_tasks.withColumn("place", F.row_number().over(place)).where(F.col("place") <= n)
    result: list[list[tuple[str, float]]] = [[] for _ in queries]
    for row in best.orderBy("query", "place").collect():
        result[row["query"]].append((row["id"], row["score"]))
    return result


def fetch_photos(photos: DataFrame, names: DataFrame, photo_ids: Sequence[str]) -> dict[str, Photo]:
    """Return the photos with these ids, as thumbnails that are made on the executors.

    Args:
        photos: PHOTOS.
        names: name, label, term, seen, for every name of a label.
        photo_ids: as many as a page shows.
    """

    def draw(files: DataFrame) -> DataFrame:
        return with_truth(files, names).select(
            "photo_id",
            F.coalesce("path", F.lit("")).alias("path"),
            F.coalesce("truth", "label", F.lit("")).alias("label"),
            F.coalesce("truth_term", "label", F.lit("")).alias("truth"),
            _make_thumbnail()("content").alias("jpeg"),
        )

    rows = collect_pictures(photos_of(photos, photo_ids), len(photo_ids), draw)
    return {row["photo_id"]: _to_photo(row) for row in rows}


def _to_photo(row: Row) -> Photo:
    jpeg = row["jpeg"] and bytes(row["jpeg"])  # Spark gives a bytearray
    return Photo(row["photo_id"], row["path"], row["label"], row["truth"], jpeg)


def _make_search(queries: NDArray[np.float32], n: int) -> Callable[[Batches], Batches]:
    def search(batches: Batches) -> Batches:
        best = None
        for batch in batches:
            vectors = l2_normalize(to_matrix(batch.column(1), queries.shape[1]))
            ids = np.array(batch.column(0).to_pylist(), dtype=str)
            found = top_k(queries, [(ids, vectors)], n)
            best = found if best is None else merge_top_k([best, found], n)
        if best is not None:
            ids, scores = best
            query = np.repeat(np.arange(len(queries), dtype=np.int32), ids.shape[1])
            columns = (query, ids.ravel().tolist(), scores.ravel().astype(np.float32))
            yield pa.RecordBatch.from_arrays([pa.array(c) for c in columns], FOUND.names)

    return search


def _make_thumbnail() -> Callable[[str], Column]:
    @F.pandas_udf("binary")
    def thumbnail(contents: pd.Series) -> pd.Series:
        return contents.map(_thumbnail)

    return thumbnail


def _thumbnail(content: bytes | None) -> bytes | None:
    """Return the photo as the network sees it, the central square; None if it cannot be decoded."""
    pixels = None if content is None else decode(content, THUMBNAIL_SIDE)
    return None if pixels is None or isinstance(pixels, Refusal) else encode_jpeg(pixels)
