"""NEIGHBOURS: the k photos nearest to each photo, found by the index or by the signatures."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from devise_lib.errors import InputError
from devise_lib.index.building.intake import take_in
from devise_lib.index.building.training import set_threads
from devise_lib.index.bundle import Bundle
from devise_lib.spark.search.lsh import nearest_in_buckets
from devise_lib.spark.tables.delta_tables import Tables
from devise_lib.storage.stores import StoreAccess, this_access

Batches = Iterator[pa.RecordBatch]

PAIRS = "photo_id string, neighbour_id string, rank int, score float"
QUERIES_AT_ONCE = 1_024


def by_index(embeddings: DataFrame, bundle: Bundle, model_id: str, k: int) -> DataFrame:
    """Return NEIGHBOURS of every photo of `embeddings` among those of the index.

    Each machine copies a bundle of a store once, and its processes map the copy. Photos that are
    newer than the index have neighbours, too. But they are nobody's neighbour until they are in the
    index.

    Args:
        embeddings: photo_id, embedding, of one model.
        bundle: an index.
        model_id: the model of the embeddings.
        k: neighbours per photo.

    Raises:
        InputError: the index is of another model.
    """
    bundle.require_model(model_id)
    found = embeddings.select("photo_id", "embedding").mapInArrow(
        _make_search(bundle, k, this_access()), PAIRS
    )
    return found.select("*", F.lit(model_id).alias("model_id"), F.lit(bundle.name).alias("source"))


def by_signatures(tables: Tables, model_id: str, k: int, max_bucket: int) -> DataFrame:
    """Return NEIGHBOURS of the photos of a model among those that share a bucket with them.

    A photo that is alone in all its buckets has none.

    Args:
        tables: with EMBEDDINGS and SIGNATURES.
        model_id: of the model.
        k: neighbours per photo.
        max_bucket: photos that one photo is compared with in one bucket.

    Raises:
        InputError: SIGNATURES has no photo of the model.
    """
    of_model = F.col("model_id") == model_id
    signatures = tables.read("signatures").where(of_model)
    first = signatures.first()
    if first is None:
        raise InputError(
            f"SIGNATURES has no photo of model {model_id}: run build_signatures with it"
        )
    embeddings = tables.read("embeddings").where(of_model)
    pairs = nearest_in_buckets(embeddings, signatures, k, max_bucket)
    once = pairs.groupBy("photo_id", "neighbour_id").agg(F.max("score").alias("score"))
    return rank(once, k, model_id, first["hash_id"])


def rank(pairs: DataFrame, k: int, model_id: str, source: str) -> DataFrame:
    """Return NEIGHBOURS from distinct pairs (photo_id, neighbour_id, score), with ranks 1 to k.

    Equal scores are ordered by neighbour_id. A photo is not its own neighbour. Rounding may lift a
    cosine above 1, which no reader expects, so scores are limited to [-1, 1].
    """
    best_first = Window.partitionBy("photo_id").orderBy(F.desc("score"), "neighbour_id")
    return (
        pairs.where("photo_id != neighbour_id")
        .withColumn("rank", F.row_number().over(best_first))
        .where(F.col("rank") <= k)
        .select(
            "photo_id",
            "neighbour_id",
            "rank",
            F.greatest(F.least("score", F.lit(1.0)), F.lit(-1.0)).cast("float").alias("score"),
            F.lit(model_id).alias("model_id"),
            F.lit(source).alias("source"),
        )
    )


def _make_search(bundle: Bundle, k: int, access: StoreAccess) -> Callable[[Batches], Batches]:
    """Return the function over batches of photos; each worker process opens the bundle once."""

    def search(batches: Batches) -> Batches:
        access.open()
        set_threads(1)  # There is a process per core.
        index = bundle.open()
        wanted = min(k + 1, bundle.manifest.rows)  # one more, because the photo finds itself
        for batch in batches:
            for start in range(0, len(batch), QUERIES_AT_ONCE):
                part = batch.slice(start, QUERIES_AT_ONCE)
                taken = take_in(part["photo_id"], part["embedding"], bundle.manifest.dimension)
                if len(taken.kept):
                    found = index.search(taken.vectors, wanted)
                    own = part["photo_id"].take(pa.array(taken.kept))
                    yield best_others(own, index.photo_ids(found.rows), found.scores, k)

    return search


def best_others(
    own: pa.StringArray, found: NDArray[np.str_], scores: NDArray[np.float32], k: int
) -> pa.RecordBatch:
    """Return photo_id, neighbour_id, rank and score of the best k other photos of each query.

    Equal scores are ordered by neighbour_id. Rounding may lift a cosine above 1, which no reader
    expects, so scores are limited to [-1, 1].

    Args:
        own: (q,), the photo_id of each query, which is not among its own neighbours.
        found: (q, any), photo_ids; "" where none was found.
        scores: of the same shape.
        k: the most neighbours of a photo.
    """
    names = np.array(own.to_pylist(), dtype=object)
    counts = (found != "") & (found != names[:, None])
    order = np.lexsort((found.astype(np.str_), -scores, ~counts), axis=1)[:, :k]
    rows, ranks = np.nonzero(np.take_along_axis(counts, order, axis=1))
    columns = order[rows, ranks]
    return pa.RecordBatch.from_pydict(
        {
            "photo_id": own.take(pa.array(rows)),
            "neighbour_id": pa.array(found[rows, columns].tolist(), pa.string()),
            "rank": pa.array(ranks + 1, pa.int32()),
            "score": pa.array(np.clip(scores[rows, columns], -1, 1), pa.float32()),
        }
    )
