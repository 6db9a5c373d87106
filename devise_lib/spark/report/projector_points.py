"""The points of the embedding projector: a bounded sample of EMBEDDINGS, and the labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from devise_lib.numerics.vectors import stack_rows
from devise_lib.report.projector import TILE_SIDE, Points
from devise_lib.spark.labels.lookup import dedupe_labels, resolve_aliases
from devise_lib.spark.labels.splits import has_vector
from devise_lib.spark.photos.contents import collect_pictures, photos_of
from devise_lib.spark.report.gallery_photos import with_truth
from devise_lib.vision.images.decode import Refusal, decode_inspected

SEEN = {True: "seen", False: "unseen", None: ""}


def sample_photos(embeddings: DataFrame, labels: DataFrame, photos: DataFrame, n: int) -> Points:
    """Return n photos of EMBEDDINGS with their labels and thumbnails, always the same ones.

    They have the least ids. An id is a digest, so they are a random sample. A file of PHOTOS holds
    a range of ids, so the sample lies in few files. Each task keeps at most n rows. It makes
    thumbnails of its photos in the sample.

    Args:
        embeddings: EMBEDDINGS of one model.
        labels, photos: LABELS and PHOTOS.
        n: number of photos.
    """
    chosen = embeddings.select("photo_id", "label", "embedding").orderBy("photo_id").limit(n)
    rows = with_truth(chosen, resolve_aliases(labels)).orderBy("photo_id").collect()
    named = [(row["truth_term"] or row["label"] or "", row) for row in rows]
    ids = [row["photo_id"] for row in rows]
    return Points(
        "photos",
        _stack([row["embedding"] for row in rows]),
        ("label", "photo_id", "seen"),
        [(name, row["photo_id"], SEEN[row["truth_seen"]]) for name, row in named],
        fetch_tiles(photos, ids),
    )


def label_points(labels: DataFrame) -> Points:
    """Return all labels that have a vector."""
    rows = dedupe_labels(labels).where(has_vector()).orderBy("label").collect()
    return Points(
        "labels",
        _stack([row["vector"] for row in rows]),
        ("label", "label_id", "seen"),
        [(row["term"] or row["label"], row["label"], SEEN[row["seen"]]) for row in rows],
    )


def fetch_tiles(photos: DataFrame, photo_ids: Sequence[str]) -> NDArray[np.uint8]:
    """Return thumbnails (n, TILE_SIDE, TILE_SIDE, 3) in RGB, in the order of the ids.

    A tile is white if the photo is missing or cannot be decoded.
    """

    @F.pandas_udf("binary")
    def to_tile(contents: pd.Series) -> pd.Series:
        return contents.map(_tile)

    def draw(files: DataFrame) -> DataFrame:
        return files.select("photo_id", to_tile("content").alias("tile"))

    rows = collect_pictures(photos_of(photos, photo_ids), len(photo_ids), draw)
    place = {photo_id: number for number, photo_id in enumerate(photo_ids)}
    tiles = np.full((len(photo_ids), TILE_SIDE, TILE_SIDE, 3), 255, dtype=np.uint8)
    for row in rows:
        if row["tile"] is not None:
            flat = np.frombuffer(row["tile"], dtype=np.uint8)
            tiles[place[row["photo_id"]]] = flat.reshape(tiles.shape[1:])
    return tiles


def _tile(content: bytes | None) -> bytes | None:
    pixels = None if content is None else decode_inspected(content, TILE_SIDE)
    return None if pixels is None or isinstance(pixels, Refusal) else pixels.tobytes()


def _stack(rows: Sequence[Row]) -> NDArray[np.float32]:
    return stack_rows(rows, len(rows[0]) if rows else 0)
