"""Photos of a table through a network on the workers."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql.types import StringType, StructField, StructType

from devise_lib.spark.schemas import VECTOR
from devise_lib.vision.images import Refusal, decode_inspected
from devise_lib.vision.inference import embed_photos, load_network

RESULT = (
    StructField("vector", VECTOR),
    StructField("reason", StringType()),
    StructField("message", StringType()),
)


def with_vectors(
    photos: DataFrame, keras_file: Broadcast[bytes], keep: Sequence[str], batch_size: int
) -> DataFrame:
    """The columns `keep` of photos, with `vector`, or `reason` and `message` where there is none.

    Args:
        photos: with a column `content`.
        keras_file: of the network; a broadcast, so it travels once to an executor.
        keep: columns to carry over.
        batch_size: photos a call of the network.
    """
    schema = StructType([*(photos.schema[name] for name in keep), *RESULT])
    return photos.select(*keep, "content").mapInPandas(
        _make_embed(keras_file, list(keep), batch_size), schema
    )


def with_pixels(photos: DataFrame, keep: Sequence[str], image_size: int) -> DataFrame:
    """The columns `keep` of photos, with `pixels`; photos that cannot be decoded are left out."""
    kept = list(keep)

    def to_pixels(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            decoded = [decode_inspected(content, image_size) for content in batch["content"]]
            batch = batch[kept].assign(
                pixels=[None if isinstance(d, Refusal) else d.tobytes() for d in decoded]
            )
            yield batch[batch["pixels"].notna()]

    fields = [photos.schema[name] for name in keep]
    schema = StructType(fields).add("pixels", "binary")
    return photos.select(*keep, "content").mapInPandas(to_pixels, schema)


def _make_embed(
    keras_file: Broadcast[bytes], keep: list[str], batch_size: int
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def embed(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        network = None
        for batch in batches:
            network = network or load_network(keras_file.value)  # not at all for an empty task
            results = embed_photos(network, list(batch["content"]), batch_size)
            refused = [r if isinstance(r, Refusal) else None for r in results]
            yield batch[keep].assign(
                vector=[r if isinstance(r, np.ndarray) else None for r in results],
                reason=[r.reason.value if r else None for r in refused],
                message=[r.message if r else None for r in refused],
            )

    return embed
